#pragma once
// Follows the server's answer to one command through the raw bytes, to know where it ends and what it changed. Rows and
// column definitions are passed over by their headers: nothing of them is kept.
// Source: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html and
// https://mariadb.com/docs/server/reference/clientserver-protocol/4-server-response-packets/result-set-packets

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "protocol/mysql/capability.hpp"
#include "protocol/mysql/command.hpp"
#include "protocol/mysql/packet.hpp"
#include "protocol/mysql/reply.hpp"

namespace ringway::protocol::mysql {

/// Of the column definitions of a result; all zero: there are none.
using definitions_digest = std::array<std::uint8_t, 32>;

class reply_tracker {
  public:
    /// `capabilities`: those agreed on with the server.
    explicit reply_tracker(capability::flags capabilities) : capabilities_(capabilities) {}

    /// An answer begins; all that was known of the last one is forgotten. COM_CHANGE_USER is no command for this: its
    /// answer is a login (auth_client).
    void begin(command what);

    enum class state : std::uint8_t {
        reading,
        file_wanted,  ///< LOAD DATA LOCAL: the client sends its file now, the answer goes on after that (file_sent)
        done,
        broken  ///< no answer to that command
    };
    /// Takes bytes from the server; how many of them belong to this answer: all, unless it ended or a file is wanted.
    std::size_t take(std::string_view bytes);
    /// What of the last take() a client gets that has agreed on these capabilities: the session's changes are left out
    /// of an OK, but for those that servers tell by default. Packets that are looked at are held back until they are
    /// whole. Before begin().
    void forward_to(capability::flags client) noexcept { filter_ = true, client_ = client; }
    std::string_view forwarded() const noexcept { return forwarded_; }
    /// Of a client that keeps definitions (MariaDB's metadata caching, which servers here never do): those of the first
    /// result are left out where they are what the client has been told of this statement last. After forward_to().
    void spare_definitions(const definitions_digest& told) { notes_ = std::make_unique<definition_notes>(told); }
    /// After it: what the client has of the statement now.
    definitions_digest told_definitions() const noexcept { return notes_ ? notes_->told : definitions_digest{}; }
    void pass_all() noexcept { filter_ = false; }  ///< nothing is left out: forwarded() is what was taken
    state now() const noexcept { return state_; }
    /// The client has sent its file to the end (an empty packet).
    void file_sent() noexcept;
    /// Whether the bytes so far end with a whole packet.
    bool between_packets() const noexcept { return skip_ == 0 && kept_.empty() && !continues_; }
    /// The answer has begun: something of it was taken.
    bool begun() const noexcept { return begun_; }
    /// Sequence number of the last packet.
    std::uint8_t sequence() const noexcept { return sequence_; }

    /// Status flags of the last OK or EOF (0: there was none, as after an ERR).
    std::uint16_t status() const noexcept { return status_; }
    bool in_transaction() const noexcept { return (status_ & status::in_transaction) != 0; }
    bool cursor_open() const noexcept { return cursor_; }
    std::uint16_t warnings() const noexcept { return warnings_; }
    std::uint64_t affected_rows() const noexcept { return affected_rows_; }    ///< of the last OK
    std::uint64_t last_insert_id() const noexcept { return last_insert_id_; }  ///< of the last OK
    /// Result sets and OKs that came.
    std::uint32_t results() const noexcept { return results_; }
    std::uint32_t columns() const noexcept { return columns_; }      ///< of the last result set
    std::uint64_t rows() const noexcept { return rows_; }            ///< of all result sets
    std::uint64_t last_rows() const noexcept { return last_rows_; }  ///< of the last result set
    bool ends_in_rows() const noexcept { return ends_in_rows_; }     ///< what came last is a result set, not an OK
    /// Session changes of all OKs, one after the other, for read_session_changes.
    const std::string& session_state() const noexcept { return session_state_; }
    bool untold_changes() const noexcept {
        return untold_;
    }  ///< an EOF, which has no room for them, has announced some
    const std::string& file_name() const noexcept { return file_name_; }  ///< of file_wanted

    struct failure {
        std::uint16_t code = 0;  ///< 0: no error
        std::string sqlstate, message;
    };
    const failure& error() const noexcept { return error_; }

    /// COM_STMT_PREPARE
    struct prepared {
        std::uint32_t id = 0;
        std::uint16_t columns = 0, parameters = 0;
    };
    const prepared& statement() const noexcept { return prepared_; }

  private:
    enum class part : std::uint8_t {
        simple,           ///< one packet is all
        text,             ///< one packet of any content is all
        first,            ///< of a result: OK, ERR, a file's name, or the number of columns
        definitions,      ///< of columns, as many as were announced
        definitions_end,  ///< the EOF after them
        rows,
        fetched_rows,
        listed,  ///< COM_FIELD_LIST: definitions up to an EOF
        prepare_ok,
        parameter_definitions,  ///< of a prepared statement
        parameter_end,
        prepared_definitions,
        prepared_end
    };

    bool interesting(std::uint8_t first, std::uint32_t length) const noexcept;
    void packet(std::string_view payload);
    void skipped() noexcept;
    void result(std::string_view payload);
    void end_of_rows(std::string_view payload);
    void take_ok(std::string_view payload);
    void take_eof(std::string_view payload);
    void take_error(std::string_view payload);
    void prepare_ok(std::string_view payload);
    void after_parameters() noexcept;
    void next_result() noexcept;
    bool eof_follows() const noexcept { return !capability::has(capabilities_, capability::deprecate_eof); }
    void end() noexcept { state_ = state::done; }
    void forward_packet(std::string_view packet);
    void forward_ok(std::string_view packet);
    void forward_count(std::string_view packet, bool defined);
    void append_packet(std::string_view packet);
    void pass_up_to(const char* end);
    void note_definition(std::string_view payload);
    void end_definitions();
    void stop_holding();
    bool notes() const noexcept { return notes_ && notes_->open; }

    capability::flags capabilities_;
    part part_ = part::simple;
    state state_ = state::done;
    std::string kept_;        ///< of a packet that is looked at and has come in part, its header included
    std::uint32_t skip_ = 0;  ///< payload of a packet under way that is not looked at
    std::uint32_t left_ = 0;  ///< definitions to come
    bool continues_ = false;  ///< the next packet continues a row
    bool begun_ = false, cursor_ = false;
    bool ok_follows_ = false;  ///< after a result set of OUT parameters
    std::uint8_t sequence_ = 0;
    std::uint16_t status_ = 0, warnings_ = 0;
    std::uint32_t results_ = 0, columns_ = 0;
    std::uint64_t affected_rows_ = 0, last_insert_id_ = 0, rows_ = 0, last_rows_ = 0;
    bool ends_in_rows_ = false;
    std::string session_state_, file_name_;
    bool filter_ = false, changed_ = false, untold_ = false, building_ = false;
    bool counts_ = false;        ///< the packet just seen is the number of columns, of which a client hears more
    bool swallowed_ = false;     ///< it is a definition that is held back
    std::uint8_t left_out_ = 0;  ///< packets left out: those after them are numbered so much lower
    struct definition_notes {
        explicit definition_notes(const definitions_digest& from) : told(from) {}
        definitions_digest told;
        bool open = true, holding = false;  ///< holding: the definitions wait for the last of them
        std::string count, all;             ///< the packet before them, and they, all numbered 0
    };
    std::unique_ptr<definition_notes> notes_;
    capability::flags client_ = 0;
    std::string out_;
    const char* passed_ = nullptr;  ///< in the bytes being taken: up to here they are in out_
    std::string_view forwarded_;
    failure error_;
    prepared prepared_;
};

}  // namespace ringway::protocol::mysql
