#include "protocol/postgres/saslprep.hpp"

#include <doctest/doctest.h>

#include "protocol/postgres/scram.hpp"

using namespace ringway::protocol::postgres;
using namespace std::string_view_literals;

namespace {
/// A password and the verifier that PostgreSQL 15.20 stored for it (CREATE ROLE in a SQL_ASCII database).
struct stored {
    const char* what;
    std::string_view password, verifier;
};

const stored by_postgres[] = {
    {"ASCII", "pencil"sv,
     "SCRAM-SHA-256$4096:OZ2Jg0TEL6/Ej81zqkyEYQ==$"
     "VbHS5pk/7qmVvhM5UtjTOWdLmjU8Vit7RhfdIr/HMtE=:1vnSVU9q3VFNA75EptOL08ETYmqiXbuxHCIP/79TKfQ="sv},
    {"Latin letters", "p\303\240ss"sv,
     "SCRAM-SHA-256$4096:+YosPcqSsjaIOvGeCncO9A==$"
     "D3FQw33sfBUGpkeqixeFKyhRbouJFN7v7uuWDHmS380=:uHLoKVDj4GMEjQJ7xkfCJTHasDYrqAuchXDTlfIC4nM="sv},
    {"combining accent composes", "a\314\201b"sv,
     "SCRAM-SHA-256$4096:90ECGoor5nTK1LDSfVQruA==$"
     "Cbr+sd/CLgWyFrTmg8Pfu8TLRPhXNxxe+/fd3Ky3zR0=:h1NrywvYg97SNe4JDVhw9HnS1zFkhBfO5is0P4zwY0k="sv},
    {"compatibility letters", "\302\252\342\205\250"sv,
     "SCRAM-SHA-256$4096:xooopxEwB7hI1AM4x7EjRQ==$"
     "aV3hVT511P5iq1OKtvh77heVJ89igczc0wz4sZDzAiw=:HgIxh6sejotc4uLuMLVzaMKg/tfiBg2IfOH893iD1aE="sv},
    {"soft hyphen maps to nothing", "I\302\255X"sv,
     "SCRAM-SHA-256$4096:/WGVGF5ndFfWPYkO1+V2fA==$"
     "U7x0lXrcQuuOP3x3PfyVbX1Zq+iIe4EMuF72ciM83po=:erfQNkQR1KtOd3X+KPM0u78TBJSX4udcDr6OpwuMs1I="sv},
    {"other spaces become a space", "\302\240x\343\200\200y"sv,
     "SCRAM-SHA-256$4096:bdwI6PtJ8nhDADGXcxH7TQ==$"
     "kI9q25WpBGoRRka7UHVGCM2zp1fbmsxTnH/8r41/Sp4=:DT7Y6yAcuyIhJh0ML4rjF9z/EqxO5CmfH9jy3afsXXM="sv},
    {"not UTF-8", "\377\376"sv,
     "SCRAM-SHA-256$4096:W97jrguf3vn7tMMjof+Ghw==$"
     "lf3IEYuf2y8bl3GxzISjUWEXgXz5YeBpXIO+1OVAuxM=:W9ozPXtzkcXeUzxBdUdMtuAssEi1V9kMMpA1Bw6BMOA="sv},
    {"Latin-1, not UTF-8", "caf\351"sv,
     "SCRAM-SHA-256$4096:KvVHA+Xy8m8BINXxZUlcyQ==$"
     "ZV1HStMve20NfApSunecOGhmq5MQcRrkbzL57fratCk=:54A4MzT7uFmzdfWnLfLX0P4ANI/zf5O267GCPYO2nJk="sv},
    {"bidi: ends with a digit", "\330\2471"sv,
     "SCRAM-SHA-256$4096:p9CTPpbcUe7jjRy2PsBapA==$"
     "4XdH6rlvWAZVzO2LyE4VB+sG/izoSWzT+xTkgR0IE3c=:D6kM/ZkSOjHbpUDV3Bw6q4xN+OkfRlybUPIqFAHF7EQ="sv},
    {"control character is prohibited", "\007\303\251"sv,
     "SCRAM-SHA-256$4096:NG+k9AywEXlzchDgRscLbA==$"
     "hgIxijUiTQPkzUps+Gj0+ZJCF9Q5x3UtfDaoq/p7L3k=:Bnfh3X+pvkJM4h7+v2p5QggZb5cSIYTB2YnrsBUcHGQ="sv},
    {"nothing would be left", "\302\255"sv,
     "SCRAM-SHA-256$4096:Yq39I10GJoZd0tTiTWuL+w==$"
     "Jyn08K7stQt905VTxfWOYipIaDlDoq1Ntqperuof88A=:yxeCLOnVlDn/77wEb+i8HaZPIwvw6o3rUcdnNNbDC4A="sv},
    {"unassigned in Unicode 3.2", "\302\252\360\237\230\200"sv,
     "SCRAM-SHA-256$4096:te5x/r0wZRFO+/vIP+dXdA==$"
     "NJ+sbGsDOrkXZ8GTEtU970rpnzgA78HZYdHIz+PSx9M=:j9ioVbrnaoJkA9QAtM8LiBQAoIVXx4U3CbUahwEzXWs="sv},
    {"Angstrom sign", "\342\204\253ngstr\303\266m"sv,
     "SCRAM-SHA-256$4096:g4fvp5S+9Hu0Wf8QuU/wmQ==$"
     "or7FTX3b6568DC37F8Tv+9IoOjQ/jS8iJXaA1L1Qur8=:ZX0hCWvutzYflvU5QQIFyUsQC46oevGJJdVAp5lLu0A="sv},
    {"ligature", "\357\254\201x"sv,
     "SCRAM-SHA-256$4096:1sHhsAYE77WSwwELmrd1EA==$"
     "H/WhrylVLWwXznK4ICPKwqsX5xq7fkP2jXKykEO7Iqw=:bf8Wx5o6Yw0InevAChbXveZ+WmCAr4SlHNaA8P7ixpQ="sv},
    {"unassigned after 3.2, kept with its neighbour", "\310\241\302\252"sv,
     "SCRAM-SHA-256$4096:O7Uz3ey1mV5gUPP/RP9F+w==$"
     "wnm9cnZn4GfuaDgTF/4ToyOTwvXSHLMxvWNUITYgY9M=:QYuDeRPtFSxaHJwkY1Cbe5g1FH6qgfqe0jFpmnnjSlw="sv},
    {"Hangul syllables", "\355\225\234\352\270\200"sv,
     "SCRAM-SHA-256$4096:avZDQOkuPatk93hOqG6vGQ==$"
     "Fkjmpw1B8kduOqqSg+xghVC1xWM8cDoIe5I0PpZLB2U=:647+SGIyXSrOeMHjAxsP/LZfscsB1KBeZQ8jALEZF5Y="sv},
    {"Hangul jamo compose", "\341\204\222\341\205\241\341\206\253"sv,
     "SCRAM-SHA-256$4096:esLTgqvpNIdiGBqO1JGm+Q==$"
     "9wYwLPgo3zhzKahoOoy8TcNZqxaCNH1BgJ7pULgKusk=:ssssmuFeY0hmg36cjJ6L6eLXHg49P1oKL/LcOUTQP/Y="sv},
    {"private use is prohibited", "\302\252\356\200\200"sv,
     "SCRAM-SHA-256$4096:A/ZLxEcYptKRzNEDkKrh9A==$"
     "Ouk3UbqUZwGLAjr8Gy4axTKBRooUWk7mrRXUx10LY6M=:X29WP7tOXBBlgoAHJRDfJdWMASw2hK9YFSl00VOK4aU="sv},
    {"bidi: left-to-right letter at the end", "\330\247\330\250x"sv,
     "SCRAM-SHA-256$4096:S8F7+P4VqbwAK+dQWzUJoQ==$"
     "9CHkl+X0EOQHdDGgNuueFAPFuY9EzyQYxtuRzwdgSbM=:N6ipvV0I8Vr2BBIK19NbHltM3bsJpZAvksI1i1RDSZ0="sv},
    {"bidi: left-to-right letter inside", "\330\247\302\252\330\250"sv,
     "SCRAM-SHA-256$4096:r7uUl/xS4i9SOfGrvs4IWg==$"
     "8il9c6jrRZ1p95DvfR5XqGOE+R2jKfI+aUm/yM+QMdg=:vnqIcUFp3Hck9bsZ/tPg2Cv+JemWw/y5N8JLljHnR34="sv},
    {"assigned after 3.2 and decomposable", "\360\237\204\200"sv,
     "SCRAM-SHA-256$4096:qcRYyi0kiXeOPPipuT28EQ==$"
     "zUdl6d7/RYk6KLeZV2Wjua0a5HtWvoitPGUut/wrwgs=:PDu+rdb5EM32YO8ev8NHnO3/WwB+Y0SJDyBiloZo4yA="sv},
    {"circled digit, zero width space, fraction", "\342\221\240\342\200\213\302\275"sv,
     "SCRAM-SHA-256$4096:9WtGHpChWtC2doEo1PFhbg==$"
     "69L3/w16qNBDvQNZuYQRwfNxDDDn5OqfAn44nU7c++U=:JopKPwT+Lp43mALuUzBaK+IRrJ0+SDJSBL24aQIgURo="sv},
};
}  // namespace

TEST_CASE("passwords are normalised as PostgreSQL does it") {
    for (const auto& [what, password, verifier] : by_postgres) {
        CAPTURE(what);
        const auto theirs = read_verifier(verifier);
        REQUIRE(theirs);
        CHECK(write_verifier(make_verifier(password, theirs->salt, theirs->iterations)) == verifier);
    }
}
