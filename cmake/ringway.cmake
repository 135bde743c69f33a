# ringway_folder(NAME NEEDS folders... LINK libraries...): one library target for one folder of the architecture.
# Its includes are checked against NEEDS (transitively), so an include against the arrow fails the build.
function(ringway_folder name)
  cmake_parse_arguments(arg "" "" "NEEDS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/proxy/main\\.cpp$")
  add_library(ringway_${name} STATIC ${sources} ${CMAKE_SOURCE_DIR}/cmake/empty.cpp)
  target_include_directories(ringway_${name} PUBLIC ${CMAKE_SOURCE_DIR})
  set(allowed ${name} ${arg_NEEDS})
  foreach(need ${arg_NEEDS})
    target_link_libraries(ringway_${name} PUBLIC ringway_${need})
    get_property(more GLOBAL PROPERTY ringway_allowed_${need})
    list(APPEND allowed ${more})
  endforeach()
  list(REMOVE_DUPLICATES allowed)
  set_property(GLOBAL PROPERTY ringway_allowed_${name} ${allowed})
  target_link_libraries(ringway_${name} PUBLIC ${arg_LINK})
  list(JOIN allowed "," allowed_text)
  add_custom_target(arrows_${name}
    COMMAND ${CMAKE_COMMAND} -DFOLDER=${name} -DALLOWED=${allowed_text} -DROOT=${CMAKE_SOURCE_DIR}
            -P ${CMAKE_SOURCE_DIR}/cmake/arrows.cmake VERBATIM)
  add_dependencies(ringway_${name} arrows_${name})
endfunction()

# ringway_tests(NAME): tests/NAME/*.cpp as one doctest program, test_NAME.
function(ringway_tests name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${name}/*.cpp)
  if(sources)
    add_executable(test_${name} ${sources} ${CMAKE_SOURCE_DIR}/tests/doctest_main.cpp)
    target_link_libraries(test_${name} PRIVATE ringway_${name})
    target_compile_definitions(test_${name} PRIVATE RINGWAY_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND test_${name})
  endif()
endfunction()
