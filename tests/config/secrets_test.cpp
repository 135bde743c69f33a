#include "config/toml/secrets.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "files.hpp"
#include "sample.hpp"

using namespace ringway;
using namespace ringway::config::source;
using namespace ringway::tests;

namespace {

const std::string verifier =
    "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const std::string hash = "md50123456789abcdef0123456789abcdef";

secret_form form(const std::string& text) {
    std::string ignored;
    return form_of(text, ignored);
}

std::string with(std::string text, std::string_view what, std::string_view other) {
    return text.replace(text.find(what), what.size(), other);
}

/// The password that a file gives its user, or the one mistake.
std::string password_of(const temporary_directory& in, const std::string& password) {
    const auto text = with(std::string(smallest), "secret", password);
    const auto loaded = config::load_text(text, in.path("ringway.toml"));
    if (loaded.ok()) return loaded.value.users.at(0).password;
    REQUIRE(loaded.mistakes.size() == 1);
    CHECK(loaded.mistakes[0].line == 4);
    return loaded.mistakes[0].text;
}

}  // namespace

TEST_CASE("verifiers are told from plain text by their form") {
    CHECK(form("secret") == secret_form::plain);
    CHECK(form(verifier) == secret_form::scram);
    CHECK(form(hash) == secret_form::md5);
    CHECK(form("md5") == secret_form::plain);
    CHECK(form("md5 is no good hash") == secret_form::plain);
    CHECK(form("md5cafe") == secret_form::plain);
}

TEST_CASE("what is meant as a verifier must be one") {
    CHECK(form("md50123456789abcdef0123456789abcde") == secret_form::malformed);
    CHECK(form(hash + "0") == secret_form::malformed);
    CHECK(form("md50123456789ABCDEF0123456789ABCDEF") == secret_form::malformed);
    CHECK(form("md5g123456789abcdef0123456789abcdef") == secret_form::malformed);
    CHECK(form("SCRAM-SHA-256$") == secret_form::malformed);
    CHECK(form(with(verifier, "4096", "0")) == secret_form::malformed);
    CHECK(form(with(verifier, "4096", "x")) == secret_form::malformed);
    CHECK(form(with(verifier, "4096:", "4096")) == secret_form::malformed);
    CHECK(form(with(verifier, "c2FsdHNhbHRzYWx0c2FsdA==", "")) == secret_form::malformed);
    CHECK(form(with(verifier, "c2Fsd", "c2Fs")) == secret_form::malformed);
    CHECK(form(with(verifier, "AAAA=:", "AA==:")) == secret_form::malformed);
    CHECK(form(with(verifier, "=:AAAA", "=:AA*A")) == secret_form::malformed);
    CHECK(form(verifier + "AAAA") == secret_form::malformed);
    CHECK(form(verifier.substr(0, verifier.size() - 4)) == secret_form::malformed);
}

TEST_CASE("a password may stand in the environment or in a file") {
    const temporary_directory in;
    ::setenv("RINGWAY_TEST_SECRET", "from the environment", 1);
    CHECK(password_of(in, "env:RINGWAY_TEST_SECRET") == "from the environment");
    in.write("secret", "from a file\n");
    CHECK(password_of(in, "file:secret") == "from a file");
    CHECK(password_of(in, "file:" + in.path("secret")) == "from a file");
    in.write("secret", "without a line end");
    CHECK(password_of(in, "file:secret") == "without a line end");
    in.write("secret", "of another system\r\n");
    CHECK(password_of(in, "file:secret") == "of another system");
    CHECK(password_of(in, "plain") == "plain");
}

TEST_CASE("a password that is not where it should be is named by its place") {
    const temporary_directory in;
    ::unsetenv("RINGWAY_TEST_SECRET");
    CHECK(password_of(in, "env:RINGWAY_TEST_SECRET") ==
          "[users.app] password: environment variable RINGWAY_TEST_SECRET is not set");
    ::setenv("RINGWAY_TEST_SECRET", "", 1);
    CHECK(password_of(in, "env:RINGWAY_TEST_SECRET") ==
          "[users.app] password: environment variable RINGWAY_TEST_SECRET is empty");
    CHECK(password_of(in, "env:") == "[users.app] password: \"env:\" names no variable; write \"env:NAME\"");
    CHECK(password_of(in, "file:") == "[users.app] password: \"file:\" names no file; write \"file:PATH\"");
    CHECK(password_of(in, "file:nowhere") ==
          fmt::format("[users.app] password: file {} cannot be read: No such file or directory", in.path("nowhere")));
    CHECK(password_of(in, "file:.").find("cannot be read: Is a directory") != std::string::npos);
    in.write("empty", "\n");
    CHECK(password_of(in, "file:empty") ==
          fmt::format("[users.app] password: file {} is empty; the password must be its only line", in.path("empty")));
    in.write("two", "a\nb\n");
    CHECK(password_of(in, "file:two") ==
          fmt::format("[users.app] password: file {} has several lines; the password must be its only line",
                      in.path("two")));
}

TEST_CASE("no mistake shows a password") {
    const auto broken = with(std::string(smallest), "secret", "SCRAM-SHA-256$hidden");
    const auto loaded = load(broken);
    REQUIRE(loaded.mistakes.size() == 1);
    CHECK(loaded.mistakes[0].line == 4);
    CHECK(loaded.mistakes[0].text.find("not a SCRAM verifier") != std::string::npos);
    CHECK(loaded.mistakes[0].text.find("hidden") == std::string::npos);

    const auto number = load(with(std::string(smallest), "\"secret\"", "424242"));
    CHECK(lines_of(number) == lines{"4: [users.app] password: must be a string, not an integer"});
}

TEST_CASE("the form of a password that stands elsewhere is checked too") {
    const temporary_directory in;
    ::setenv("RINGWAY_TEST_SECRET", "md50123456789abcdef", 1);
    CHECK(password_of(in, "env:RINGWAY_TEST_SECRET") == "md50123456789abcdef");
    ::setenv("RINGWAY_TEST_SECRET", "md50123456789abcdef0123456789abcde", 1);
    CHECK(password_of(in, "env:RINGWAY_TEST_SECRET") ==
          "[users.app] password: not an md5 verifier; right is md5 and 32 lower-case hex digits, as in "
          "pg_authid.rolpassword");
}

TEST_CASE("nobody logs in at a server with a verifier") {
    for (const auto& secret : {verifier, hash}) {
        const auto loaded =
            load_with(fmt::format("[users.other]\npassword = \"x\"\nserver_password = \"{}\"\n", secret));
        CHECK(lines_of(loaded) ==
              lines{"9: [users.other] server_password: is a verifier, which cannot log in at a server; "
                    "write the password itself, \"env:NAME\" or \"file:PATH\""});
    }
}
