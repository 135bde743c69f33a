#include "pool/mysql_coat.hpp"

#include <utility>

#include "protocol/mysql/compressed_link.hpp"
#include "protocol/mysql/packet_numbers.hpp"

namespace ringway::pool {

namespace my = protocol::mysql;

namespace {

class coat final : public wire_coat {
  public:
    explicit coat(my::compression method) : link_(method, 0) {}

    void feed(std::string_view wire) override { link_.feed(wire); }
    bool waiting() const noexcept override { return link_.waiting(); }

    bool next(std::string_view& plain) override {
        if (!link_.next(plain)) return false;
        if (plain.empty()) return true;
        if (std::exchange(sent_last_, false)) came_.go_on_from(sent_.last());
        came_.write(link_.opened());
        return true;
    }

    std::string_view seal(std::string_view plain) override {
        if (std::exchange(begins_, false))
            link_.command();
        else if (!sent_last_)
            link_.answer();  // a file: its packets are counted on from the server's question
        sent_last_ = true;
        sent_.follow(plain);
        return link_.seal(plain);
    }

    void command() noexcept override { begins_ = true; }
    void rest() override { link_.rest(); }

  private:
    my::compressed_link link_;
    my::packet_numbers sent_, came_;
    bool begins_ = false, sent_last_ = false;
};

}  // namespace

std::unique_ptr<wire_coat> mysql_coat(my::compression method) {
    return std::make_unique<coat>(method);
}

}  // namespace ringway::pool
