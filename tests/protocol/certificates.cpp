#include "tests/protocol/certificates.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <stdexcept>

namespace ringway::tests {

namespace {

template <auto Free>
struct freed {
    template <class T>
    void operator()(T* what) const {
        Free(what);
    }
};
using key_ptr = std::unique_ptr<EVP_PKEY, freed<EVP_PKEY_free>>;
using x509_ptr = std::unique_ptr<X509, freed<X509_free>>;
using sign_ptr = std::unique_ptr<EVP_MD_CTX, freed<EVP_MD_CTX_free>>;
using file_ptr = std::unique_ptr<FILE, freed<fclose>>;

void need(bool good, const char* what) {
    if (!good) throw std::runtime_error(std::string("making a certificate: ") + what);
}

file_ptr open_file(const std::string& path, const char* mode) {
    file_ptr out(fopen(path.c_str(), mode));
    need(out != nullptr, path.c_str());
    return out;
}

key_ptr make_key(key_kind kind) {
    constexpr std::size_t rsa_bits = 2048;
    switch (kind) {
        case key_kind::ec:
            return key_ptr(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
        case key_kind::rsa:
        case key_kind::rsa_pss:
            return key_ptr(EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", rsa_bits));
        case key_kind::ed25519:
            return key_ptr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    }
    return nullptr;
}

void extend(X509* to, X509* issuer, int kind, const std::string& value) {
    X509V3_CTX of;
    X509V3_set_ctx(&of, issuer, to, nullptr, nullptr, 0);
    const std::unique_ptr<X509_EXTENSION, freed<X509_EXTENSION_free>> made(
        X509V3_EXT_conf_nid(nullptr, &of, kind, value.c_str()));
    need(made && X509_add_ext(to, made.get(), -1) == 1, value.c_str());
}

void sign(X509* what, EVP_PKEY* by, key_kind kind, const std::string& digest) {
    const sign_ptr signing(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    const EVP_MD* hash = kind == key_kind::ed25519 ? nullptr : EVP_get_digestbyname(digest.c_str());
    need(EVP_DigestSignInit(signing.get(), &parameters, hash, nullptr, by) == 1, "sign");
    if (kind == key_kind::rsa_pss) EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
    need(X509_sign_ctx(what, signing.get()) > 0, "sign");
}

x509_ptr read_certificate(const std::string& path) {
    x509_ptr out(PEM_read_X509(open_file(path, "r").get(), nullptr, nullptr, nullptr));
    need(out != nullptr, path.c_str());
    return out;
}

key_ptr read_key(const std::string& path) {
    key_ptr out(PEM_read_PrivateKey(open_file(path, "r").get(), nullptr, nullptr, nullptr));
    need(out != nullptr, path.c_str());
    return out;
}

}  // namespace

certificate_directory::certificate_directory() {
    auto pattern = (std::filesystem::temp_directory_path() / "ringway-certificates-XXXXXX").string();
    need(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    path_ = pattern;
}

certificate_directory::~certificate_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void certificate_directory::make(const std::string& name, const certificate_wish& wish) {
    static long serial = 1;
    constexpr long day = 86'400;
    const auto own_key = make_key(wish.key);
    const x509_ptr made(X509_new());
    auto* x = made.get();
    need(own_key && x, "no memory");
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -2 * day);
    X509_gmtime_adj(X509_getm_notAfter(x), wish.expired ? -day : 30 * day);
    X509_set_pubkey(x, own_key.get());
    X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(wish.common_name.data()),
                               static_cast<int>(wish.common_name.size()), -1, 0);
    const auto issuer = wish.issuer.empty() ? nullptr : read_certificate(certificate(wish.issuer));
    const auto issuer_key = wish.issuer.empty() ? nullptr : read_key(key(wish.issuer));
    auto* above = issuer ? issuer.get() : x;
    X509_set_issuer_name(x, X509_get_subject_name(above));
    extend(x, above, NID_basic_constraints, wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (!wish.alternative_names.empty()) extend(x, above, NID_subject_alt_name, wish.alternative_names);
    sign(x, issuer_key ? issuer_key.get() : own_key.get(), wish.key, wish.digest);

    need(PEM_write_X509(open_file(certificate(name), "w").get(), x) == 1, "write");
    const auto phrase = wish.pass_phrase;
    const auto* cipher = phrase.empty() ? nullptr : EVP_aes_128_cbc();
    need(PEM_write_PrivateKey(open_file(key(name), "w").get(), own_key.get(), cipher,
                              reinterpret_cast<const unsigned char*>(phrase.data()), static_cast<int>(phrase.size()),
                              nullptr, nullptr) == 1,
         "write");
}

std::string certificate_directory::digest(const std::string& name, const char* hash) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned int length = 0;
    need(X509_digest(read_certificate(certificate(name)).get(), EVP_get_digestbyname(hash), raw.data(), &length) == 1,
         hash);
    return {reinterpret_cast<const char*>(raw.data()), length};
}

std::string certificate_directory::file(const std::string& name, std::string_view text) const {
    const auto path = (path_ / name).string();
    std::ofstream(path) << text;
    return path;
}

}  // namespace ringway::tests
