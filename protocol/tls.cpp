#include "protocol/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <new>
#include <stdexcept>
#include <utility>

namespace ringway::protocol {

namespace {

constexpr std::size_t record_size = 16 * 1024;

std::string last_error() {
    std::string out;
    while (const auto code = ERR_get_error()) {
        std::array<char, 256> text{};
        ERR_error_string_n(code, text.data(), text.size());
        if (!out.empty()) out += "; ";
        out += text.data();
    }
    return out.empty() ? "unknown TLS error" : out;
}

[[noreturn]] void refuse(const std::string& what) {
    throw std::runtime_error(what + ": " + last_error());
}

/// RFC 5929 section 4.1: the certificate under its own signature's hash, with SHA-256 in place of MD5 and SHA-1.
std::string end_point(X509* certificate) {
    if (!certificate) return {};
    int digest = NID_undef;
    if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) return {};
    if (digest == NID_undef) return {};  // Ed25519 and the like: the RFC defines no binding for them
    if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
    const auto* hash = EVP_get_digestbynid(digest);
    if (!hash) return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned int length = 0;
    if (X509_digest(certificate, hash, raw.data(), &length) != 1) return {};
    return {reinterpret_cast<const char*>(raw.data()), length};
}

/// Wire format of one ALPN name; empty for an empty name.
std::string alpn_list(const std::string& name) {
    if (name.empty()) return {};
    return std::string(1, static_cast<char>(name.size())) + name;
}

const unsigned char* raw(const std::string& text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// `wanted` is the list of the engine's tls_context: the answer points into it and must outlive this call.
int choose_alpn(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                unsigned int offered_length, void* wanted) {
    const auto& list = *static_cast<const std::string*>(wanted);
    unsigned char* chosen = nullptr;
    const int found = SSL_select_next_proto(&chosen, length, raw(list), static_cast<unsigned int>(list.size()), offered,
                                            offered_length);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/// A key behind a pass phrase is an error: a daemon must not ask its terminal.
int no_pass_phrase(char*, int, int, void*) {
    return -1;
}

}  // namespace

// ---- context --------------------------------------------------------------------------------------------------------

struct tls_context::impl {
    SSL_CTX* handle = nullptr;
    std::string alpn;  ///< as a list in wire format
    std::string own_end_point;
    bool verify_name = false;
    ~impl() { SSL_CTX_free(handle); }
};

tls_context::tls_context(std::unique_ptr<impl> from) : impl_(std::move(from)) {}
tls_context::~tls_context() = default;
const std::string& tls_context::own_end_point() const noexcept {
    return impl_->own_end_point;
}

namespace {

std::unique_ptr<tls_context::impl> load(const tls_files& files, const SSL_METHOD* method) {
    ERR_clear_error();
    auto made = std::make_unique<tls_context::impl>();
    made->handle = SSL_CTX_new(method);
    if (!made->handle) refuse("cannot set TLS up");
    auto* ctx = made->handle;
    SSL_CTX_set_min_proto_version(ctx, files.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (files.max_version == "1.2") SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    // Renegotiation is a way to make the other side work; an idle connection gives its buffers back.
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ctx, no_pass_phrase);
    if (files.certificate_file.empty() != files.key_file.empty())
        throw std::runtime_error("a TLS certificate and its key go together: " + files.certificate_file +
                                 files.key_file + " stands alone");
    if (!files.certificate_file.empty() && SSL_CTX_use_certificate_chain_file(ctx, files.certificate_file.c_str()) != 1)
        refuse("cannot read the certificate " + files.certificate_file);
    if (!files.key_file.empty()) {
        if (SSL_CTX_use_PrivateKey_file(ctx, files.key_file.c_str(), SSL_FILETYPE_PEM) != 1)
            refuse("cannot read the key " + files.key_file);
        if (SSL_CTX_check_private_key(ctx) != 1)
            refuse("the key " + files.key_file + " does not belong to the certificate " + files.certificate_file);
    }
    if (!files.ca_file.empty() && SSL_CTX_load_verify_locations(ctx, files.ca_file.c_str(), nullptr) != 1)
        refuse("cannot read the CA file " + files.ca_file);
    made->own_end_point = end_point(SSL_CTX_get0_certificate(ctx));
    made->alpn = alpn_list(files.alpn);
    return made;
}

}  // namespace

std::shared_ptr<const tls_context> tls_context::server(const tls_files& files) {
    auto made = load(files, TLS_server_method());
    if (files.certificate_file.empty() || files.key_file.empty())
        throw std::runtime_error("TLS towards clients needs a certificate and a key");
    if (!made->alpn.empty()) SSL_CTX_set_alpn_select_cb(made->handle, choose_alpn, &made->alpn);
    if (!files.ca_file.empty()) {
        const int demand = files.require_peer_certificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
        SSL_CTX_set_verify(made->handle, SSL_VERIFY_PEER | demand, nullptr);
        // Some clients choose their certificate by the names that the server asks for.
        SSL_CTX_set_client_CA_list(made->handle, SSL_load_client_CA_file(files.ca_file.c_str()));
    } else if (files.require_peer_certificate) {
        throw std::runtime_error("asking clients for certificates needs a ca file");
    }
    static constexpr unsigned char session_name[] = "ringway";
    SSL_CTX_set_session_id_context(made->handle, session_name, sizeof session_name - 1);
    SSL_CTX_set_session_cache_mode(made->handle, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(made->handle, 0);
    return std::make_shared<const tls_context>(std::move(made));
}

std::shared_ptr<const tls_context> tls_context::client(const tls_files& files) {
    auto made = load(files, TLS_client_method());
    if (files.verify_peer || files.verify_name) {
        if (files.ca_file.empty() && SSL_CTX_set_default_verify_paths(made->handle) != 1)
            refuse("cannot find the system's CA certificates");
        SSL_CTX_set_verify(made->handle, SSL_VERIFY_PEER, nullptr);
    }
    made->verify_name = files.verify_name;
    return std::make_shared<const tls_context>(std::move(made));
}

// ---- engine ---------------------------------------------------------------------------------------------------------

struct tls_engine::impl {
    std::shared_ptr<const tls_context> context;
    SSL* ssl = nullptr;
    BIO* in = nullptr;  ///< owned by ssl
    BIO* out = nullptr;
    std::string problem;
    bool established = false;
    ~impl() { SSL_free(ssl); }

    void drain(std::string& to) {
        char* bytes = nullptr;
        const long n = BIO_get_mem_data(out, &bytes);
        if (n <= 0) return;
        to.append(bytes, static_cast<std::size_t>(n));
        (void)BIO_reset(out);
    }
    /// Sets SNI and, with `verify`, the name that the peer's certificate must bear. False: no such name is possible.
    bool expect(const std::string& name, bool verify) {
        if (name.empty()) return !verify;
        // An IP address is no SNI name (RFC 6066), and is looked for among the certificate's addresses.
        ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
        const bool is_address = address != nullptr;
        ASN1_OCTET_STRING_free(address);
        if (!is_address && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) return false;
        if (!verify) return true;
        auto* parameters = SSL_get0_param(ssl);
        if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) == 1;
        X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        return X509_VERIFY_PARAM_set1_host(parameters, name.data(), name.size()) == 1;
    }
    bool feed(std::string_view bytes) {
        return bytes.empty() ||
               BIO_write(in, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
    }

    status judge(int result) {
        const int error = SSL_get_error(ssl, result);
        if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return status::need_input;
        if (error == SSL_ERROR_ZERO_RETURN) return status::closed;
        const bool verifies = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE;
        const long verified = SSL_get_verify_result(ssl);
        problem = verifies && verified != X509_V_OK
                      ? std::string("certificate: ") + X509_verify_cert_error_string(verified)
                      : last_error();
        ERR_clear_error();
        return status::failed;
    }
};

tls_engine::tls_engine(std::shared_ptr<const tls_context> context, bool is_server, const std::string& server_name)
    : impl_(std::make_unique<impl>()) {
    auto& self = *impl_;
    self.context = std::move(context);
    const auto& of = *self.context->get();
    self.ssl = SSL_new(of.handle);
    self.in = BIO_new(BIO_s_mem());
    self.out = BIO_new(BIO_s_mem());
    if (!self.ssl || !self.in || !self.out) {
        if (!self.ssl) BIO_free(self.in), BIO_free(self.out);
        throw std::bad_alloc();
    }
    SSL_set_bio(self.ssl, self.in, self.out);
    if (is_server) {
        SSL_set_accept_state(self.ssl);
        return;
    }
    SSL_set_connect_state(self.ssl);
    if (!of.alpn.empty()) SSL_set_alpn_protos(self.ssl, raw(of.alpn), static_cast<unsigned int>(of.alpn.size()));
    if (!self.expect(server_name, of.verify_name)) self.problem = "verify-full needs a valid server name";
}

tls_engine::~tls_engine() = default;
tls_engine::tls_engine(tls_engine&&) noexcept = default;
tls_engine& tls_engine::operator=(tls_engine&&) noexcept = default;

tls_engine::status tls_engine::handshake(std::string_view from_wire, std::string& out) {
    auto& self = *impl_;
    ERR_clear_error();
    if (!self.problem.empty() || !self.feed(from_wire)) return status::failed;
    if (self.established) return status::ok;
    const int result = SSL_do_handshake(self.ssl);
    const auto outcome = result == 1 ? status::ok : self.judge(result);
    self.drain(out);
    self.established = result == 1;
    return outcome;
}

bool tls_engine::established() const noexcept {
    return impl_->established;
}

tls_engine::status tls_engine::decrypt(std::string_view from_wire, std::string& plain, std::string& out) {
    auto& self = *impl_;
    ERR_clear_error();
    if (!self.feed(from_wire)) return status::failed;
    for (;;) {
        const auto before = plain.size();
        plain.resize(before + record_size);
        const int n = SSL_read(self.ssl, plain.data() + before, static_cast<int>(record_size));
        plain.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
        if (n > 0) continue;
        const auto outcome = self.judge(n);
        self.drain(out);
        return outcome == status::need_input ? status::ok : outcome;
    }
}

tls_engine::status tls_engine::encrypt(std::string_view plain, std::string& out) {
    auto& self = *impl_;
    ERR_clear_error();
    while (!plain.empty()) {
        const auto piece = plain.substr(0, record_size);
        const int n = SSL_write(self.ssl, piece.data(), static_cast<int>(piece.size()));
        if (n <= 0) return self.judge(n);
        plain.remove_prefix(static_cast<std::size_t>(n));
        self.drain(out);
    }
    return status::ok;
}

void tls_engine::close_notify(std::string& out) {
    ERR_clear_error();
    SSL_shutdown(impl_->ssl);
    impl_->drain(out);
    ERR_clear_error();
}

std::string tls_engine::problem() const {
    return impl_->problem;
}

std::string tls_engine::peer_end_point() const {
    X509* certificate = SSL_get1_peer_certificate(impl_->ssl);
    auto out = end_point(certificate);
    X509_free(certificate);
    return out;
}

std::string tls_engine::own_end_point() const {
    return impl_->context->own_end_point();
}

std::string tls_engine::peer_common_name() const {
    X509* certificate = SSL_get1_peer_certificate(impl_->ssl);
    if (!certificate) return {};
    std::string out;
    if (SSL_get_verify_result(impl_->ssl) == X509_V_OK) {
        auto* name = X509_get_subject_name(certificate);
        const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
        if (at >= 0) {
            unsigned char* text = nullptr;
            const int n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
            if (n > 0) out.assign(reinterpret_cast<const char*>(text), static_cast<std::size_t>(n));
            OPENSSL_free(text);
        }
    }
    X509_free(certificate);
    return out.find('\0') == std::string::npos ? out : std::string();
}

std::string tls_engine::version() const {
    return SSL_get_version(impl_->ssl);
}
std::string tls_engine::cipher() const {
    return SSL_get_cipher_name(impl_->ssl);
}

std::string tls_engine::alpn() const {
    const unsigned char* name = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(impl_->ssl, &name, &length);
    return {reinterpret_cast<const char*>(name), length};
}

}  // namespace ringway::protocol
