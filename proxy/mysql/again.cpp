// Answers that are held back until it is known whether the client gets them: what a replica may not do runs again on
// the primary, and XA COMMIT runs again when the client that holds its transaction has let go of it.

#include <algorithm>
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <unordered_set>

#include "proxy/mysql/prepared_xa.hpp"
#include "proxy/mysql/session.hpp"
#include "proxy/net/worker.hpp"

namespace ringway::proxy::mysql {

namespace {

constexpr std::size_t most_held = 16 * 1024;  // as much as servers hold back themselves
constexpr auto longest_letting_go = std::chrono::seconds(5);
constexpr std::uint16_t read_only_server = 1290, unknown_xid = 1397;

const router::statement* ends_xa(const reading& text) {
    const auto& all = text.parsed().statements;
    if (all.size() != 1 || text.unknown()) return nullptr;
    const auto what = all.front().verb;
    return what == router::verb::xa_commit || what == router::verb::xa_rollback ? &all.front() : nullptr;
}

/// The server keeps a prepared transaction to its connection until that ends, and not beyond XA COMMIT.
bool keeps_prepared(const router::mysql_modes& servers, bool in_transaction) {
    return servers.mariadb || servers.version < 80029 || in_transaction;
}

/// Statements that a replica has refused although they seemed to read: they go to the primary.
class refused_texts {
  public:
    static refused_texts& the() {
        static refused_texts all;
        return all;
    }
    void add(const router::plan& what) {
        const std::lock_guard hold(guard_);
        if (texts_.size() >= most) texts_.clear();
        texts_.insert(what.shape_text);
        any_.store(true, std::memory_order_relaxed);
    }
    bool any() const noexcept { return any_.load(std::memory_order_relaxed); }
    bool has(const router::plan& what) const {
        const std::shared_lock hold(guard_);
        return texts_.contains(what.shape_text);
    }

  private:
    static constexpr std::size_t most = 1000;
    mutable std::shared_mutex guard_;
    std::unordered_set<std::string> texts_;
    std::atomic<bool> any_{false};  ///< most processes have none: those ask no further
};

}  // namespace

/// Whether it may write although it seems to read: by a stored function whose body is not seen, itself or in a view.
bool session::calls_stored(const reading& text) const {
    const auto* const catalog = who_.cluster->catalog.get();
    if (!text.plan || !catalog || catalog->function_places.empty()) return false;
    const auto view = [&](const router::table_ref& table) {
        const auto& schema = table.schema.empty() ? database_ : table.schema;
        const auto found = catalog->relations.find(schema + "." + table.name);
        return found != catalog->relations.end() && found->second.kind == 'v';
    };
    const auto any_view = [&view](const auto& self, const router::query_block& block) -> bool {
        return std::any_of(block.tables.begin(), block.tables.end(), view) ||
               std::any_of(block.children.begin(), block.children.end(),
                           [&](const router::query_block& each) { return self(self, each); });
    };
    const auto& all = text.parsed().statements;
    return std::any_of(all.begin(), all.end(), [&](const router::statement& each) {
        return std::any_of(each.functions.begin(), each.functions.end(),
                           [&](const auto& one) { return catalog->function_places.contains(one.second); }) ||
               any_view(any_view, each.block);
    });
}

bool session::refused_by_replicas(const reading& text) const {
    const auto& all = refused_texts::the();
    return all.any() && calls_stored(text) && all.has(*text.plan);
}

/// Of a command that is about to be sent.
bool session::wants_holding(const reading& text, bool replayable) const {
    if (talk_->on_replica) return replayable && calls_stored(text);
    return held_xid_.empty() && ends_xa(text) != nullptr;
}

/// Bytes for the client, unless they wait for the rest.
void session::emit_or_hold(std::string_view bytes) {
    if (!now_.holds) return emit(bytes);
    now_.held.append(bytes);
    if (now_.held.size() > most_held) let_out();
}

void session::let_out() {
    now_.holds = false;
    if (!now_.held.empty()) emit(now_.held);
    std::string().swap(now_.held);
}

/// The whole answer is there. True: the command runs again, and the client does not hear of this one.
bool session::runs_again() {
    if (!now_.holds || now_.retained.empty()) return false;
    const auto code = talk_->tracker.error().code;
    if (talk_->on_replica && code == read_only_server && now_.replayable && !in_transaction() && !pinned()) {
        refused_texts::the().add(*now_.text->plan);
        ++who_.cluster->traffic.retries;
        auto retained = std::move(now_.retained);
        take_back(true);
        pending_.insert(0, retained);
        return true;
    }
    const auto* const xa = now_.text && code == unknown_xid ? ends_xa(*now_.text) : nullptr;
    if (xa == nullptr || in_transaction() || pinned()) return false;
    const auto now = clock::now();
    const auto holder = xa_holders::the().find(who_.cluster->now->configured_as, xid_bytes(xa->name, modes()));
    const bool asks = xa_until_ == steady_time{};
    if (asks ? !holder || holder->client == who_.id : now >= xa_until_) {
        xa_until_ = {};
        return false;
    }
    auto retained = std::move(now_.retained);
    take_back(false);
    pending_.insert(0, retained);
    if (asks) {
        phase_ = phase::asking;
        holder->home->post([who = holder->who, self = shared_from_this()] {
            const auto other = who.lock();
            if (other) other->let_go_of_prepared();
            self->home_.post([self] {
                if (self->phase_ == phase::closed) return;
                self->phase_ = phase::idle;
                self->xa_until_ = clock::now() + longest_letting_go;
                self->pump({});
                self->want_client();
            });
        });
        return true;
    }
    phase_ = phase::holding;  // the server is still letting go of it
    again_at_ = now + std::chrono::milliseconds(10);
    home_.watch(shared_from_this());
    return true;
}

/// The command under way has not run: its connection goes back.
void session::take_back(bool dirty) {
    phase_ = phase::idle;
    now_ = running();
    auto server = std::move(talk_->server);
    talk_.reset();
    hand_back(std::move(server), dirty);
}

// ---- prepared XA transactions ---------------------------------------------------------------------------------------

/// XA PREPARE has gone well.
void session::hold_prepared(const std::string& written) {
    if (!keeps_prepared(modes(), talk_->in_transaction)) return unpin("XA transaction");
    forget_prepared();
    held_xid_ = xid_bytes(written, modes());
    static_cast<pool::mysql_part&>(*talk_->server->part).holds_prepared = true;
    xa_holders::the().add(who_.cluster->now->configured_as, held_xid_, {who_.id, &home_, weak_from_this()});
}

void session::forget_prepared() {
    if (held_xid_.empty()) return;
    xa_holders::the().remove(who_.cluster->now->configured_as, held_xid_, who_.id);
    held_xid_.clear();
    if (talk_) static_cast<pool::mysql_part&>(*talk_->server->part).holds_prepared = false;
}

/// Another client ends the transaction: the connection that holds it is closed, unless there is more on it.
bool session::let_go_of_prepared() {
    if (held_xid_.empty() || phase_ != phase::idle || !talk_) return false;
    if (std::any_of(pins_.begin(), pins_.end(), [](const std::string& each) { return each != "XA transaction"; }))
        return false;
    const auto keep = shared_from_this();
    unpin("XA transaction");
    take_back(false);  // closed, as it holds a prepared transaction
    forget_prepared();
    pump({});
    want_client();
    return true;
}

}  // namespace ringway::proxy::mysql
