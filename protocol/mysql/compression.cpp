#include "protocol/mysql/compression.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>

namespace ringway::protocol::mysql {

namespace {

/// What is shorter goes as it is (MySQL's own MIN_COMPRESS_LENGTH).
constexpr std::size_t worth_compressing = 50;
/// Most plain bytes in a packet of ours: so much is held on the way.
constexpr std::size_t most_plain = 64 << 10;
/// A frame that needs more than a packet can hold to be read is none.
constexpr int zstd_window_log = 24;
/// The library reads frames of older versions as well, and skips others: neither is what was agreed.
constexpr std::string_view zstd_magic = "\x28\xb5\x2f\xfd";

}  // namespace

// ---- compressor -----------------------------------------------------------------------------------------------------

struct compressor::state {
    std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> zstd{nullptr, ZSTD_freeCCtx};
};

compressor::compressor(compression method, int level)
    : method_(method), level_(level), state_(std::make_unique<state>()) {
    if (level_ == 0) level_ = method == compression::zlib ? Z_DEFAULT_COMPRESSION : ZSTD_CLEVEL_DEFAULT;
    if (method == compression::zstd) state_->zstd.reset(ZSTD_createCCtx());
}
compressor::~compressor() = default;
compressor::compressor(compressor&&) noexcept = default;
compressor& compressor::operator=(compressor&&) noexcept = default;

/// Bytes written to `to`; 0: they would not fit.
std::size_t compressor::compressed(std::string_view plain, char* to, std::size_t room) {
    if (method_ == compression::zstd) {
        const auto size = ZSTD_compressCCtx(state_->zstd.get(), to, room, plain.data(), plain.size(), level_);
        return ZSTD_isError(size) != 0 ? 0 : size;
    }
    uLongf size = room;
    return compress2(reinterpret_cast<Bytef*>(to), &size, reinterpret_cast<const Bytef*>(plain.data()), plain.size(),
                     level_) == Z_OK
               ? size
               : 0;
}

void compressor::write(std::string_view plain, std::string& to) {
    while (!plain.empty()) {
        const auto piece = plain.substr(0, most_plain);
        plain.remove_prefix(piece.size());
        const auto start = to.size();
        to.resize(start + compressed_header_size + piece.size());
        std::size_t size = 0;
        if (piece.size() >= worth_compressing)
            size = compressed(piece, to.data() + start + compressed_header_size, piece.size() - 1);
        const auto before = size == 0 ? 0 : piece.size();
        if (size == 0) {
            size = piece.size();
            std::copy(piece.begin(), piece.end(), to.data() + start + compressed_header_size);
        }
        to.resize(start + compressed_header_size + size);
        std::string header;
        write_header(header, static_cast<std::uint32_t>(size), sequence_++);
        write_little(header, before, 3);
        std::copy(header.begin(), header.end(), to.data() + start);
    }
}

// ---- decompressor ---------------------------------------------------------------------------------------------------

struct decompressor::state {
    z_stream zlib{};
    bool zlib_begun = false;
    std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> zstd{nullptr, ZSTD_freeDCtx};
    ~state() {
        if (zlib_begun) inflateEnd(&zlib);
    }
};

decompressor::decompressor(compression method) : method_(method), state_(std::make_unique<state>()) {
    if (method == compression::zstd) {
        state_->zstd.reset(ZSTD_createDCtx());
        ZSTD_DCtx_setParameter(state_->zstd.get(), ZSTD_d_windowLogMax, zstd_window_log);
    } else {
        state_->zlib_begun = inflateInit(&state_->zlib) == Z_OK;
    }
}
decompressor::~decompressor() = default;
decompressor::decompressor(decompressor&&) noexcept = default;
decompressor& decompressor::operator=(decompressor&&) noexcept = default;

bool decompressor::begin_packet() {
    wire_left_ = static_cast<std::uint32_t>(load_little({header_.data(), 3}));
    sequence_ = static_cast<std::uint8_t>(header_[3]);
    plain_left_ = static_cast<std::uint32_t>(load_little({header_.data() + 4, 3}));
    held_ = magic_seen_ = 0;
    raw_ = plain_left_ == 0;
    inside_ = wire_left_ > 0;
    if (raw_) {
        plain_left_ = wire_left_;
        return true;
    }
    if (wire_left_ == 0) return false;
    if (method_ == compression::zstd)
        return ZSTD_isError(ZSTD_DCtx_reset(state_->zstd.get(), ZSTD_reset_session_only)) == 0;
    return state_->zlib_begun && inflateReset(&state_->zlib) == Z_OK;
}

decompressor::next decompressor::take(std::string_view& wire, std::string& plain, std::size_t room) {
    while (!broken_) {
        if (!inside_) {
            const auto wanted = std::min(compressed_header_size - held_, wire.size());
            std::copy_n(wire.begin(), wanted, header_.begin() + held_);
            held_ = static_cast<std::uint8_t>(held_ + wanted);
            wire.remove_prefix(wanted);
            if (held_ < compressed_header_size) return next::input;
            broken_ = !begin_packet();
            continue;
        }
        const auto what = raw_ ? copy(wire, plain, room) : inflate(wire, plain, room);
        if (inside_) {
            broken_ = what == next::broken;
            return what;
        }
    }
    return next::broken;
}

decompressor::next decompressor::copy(std::string_view& wire, std::string& plain, std::size_t& room) {
    const auto some = wire.substr(0, std::min<std::size_t>(wire_left_, room));
    plain.append(some);
    wire.remove_prefix(some.size());
    room -= some.size();
    wire_left_ -= static_cast<std::uint32_t>(some.size());
    inside_ = wire_left_ > 0;
    return wire.empty() ? next::input : next::room;
}

/// Of the bytes that come next in a packet: whether a frame can still begin so.
bool decompressor::is_frame(std::string_view source) {
    for (; magic_seen_ < zstd_magic.size() && !source.empty(); ++magic_seen_, source.remove_prefix(1))
        if (source.front() != zstd_magic[magic_seen_]) return false;
    return true;
}

decompressor::next decompressor::inflate(std::string_view& wire, std::string& plain, std::size_t& room) {
    const auto source = wire.substr(0, wire_left_);
    if (method_ == compression::zstd && !is_frame(source)) return next::broken;
    const auto start = plain.size();
    // One byte more than was said shows that it was not true.
    const auto space = std::min<std::size_t>(std::min<std::size_t>(room, most_plain), std::size_t{plain_left_} + 1);
    plain.resize(start + space);
    std::size_t used = 0, made = 0;
    bool failed = false, ended = false;
    if (method_ == compression::zstd) {
        ZSTD_inBuffer in{source.data(), source.size(), 0};
        ZSTD_outBuffer out{plain.data() + start, space, 0};
        const auto got = ZSTD_decompressStream(state_->zstd.get(), &out, &in);
        failed = ZSTD_isError(got) != 0;
        ended = got == 0;
        used = in.pos;
        made = out.pos;
    } else {
        auto& zlib = state_->zlib;
        zlib.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(source.data()));
        zlib.avail_in = static_cast<uInt>(source.size());
        zlib.next_out = reinterpret_cast<Bytef*>(plain.data() + start);
        zlib.avail_out = static_cast<uInt>(space);
        const int got = ::inflate(&zlib, Z_NO_FLUSH);
        ended = got == Z_STREAM_END;
        failed = got != Z_OK && got != Z_STREAM_END && got != Z_BUF_ERROR;
        used = source.size() - zlib.avail_in;
        made = space - zlib.avail_out;
    }
    plain.resize(start + made);
    wire.remove_prefix(used);
    wire_left_ -= static_cast<std::uint32_t>(used);
    if (failed || made > plain_left_) return next::broken;
    room -= made;
    plain_left_ -= static_cast<std::uint32_t>(made);
    if (ended) {
        if (wire_left_ > 0 || plain_left_ > 0) return next::broken;
        inside_ = false;
        return next::input;
    }
    if (made == space) return next::room;
    // It wants more input: there must be some to come.
    if (wire_left_ == 0) return next::broken;
    return wire.empty() ? next::input : used + made > 0 ? next::room : next::broken;
}

}  // namespace ringway::protocol::mysql
