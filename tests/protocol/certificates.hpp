#pragma once
// Keys and certificates made for a test, by OpenSSL's API.

#include <filesystem>
#include <string>
#include <vector>

namespace ringway::tests {

enum class key_kind { ec, rsa, rsa_pss, ed25519 };

/// What a certificate shall say. `issuer` names one made before in the same directory; empty: it signs itself.
struct certificate_wish {
    std::string common_name = {};
    std::string alternative_names = {};  ///< as in OpenSSL's configuration: "DNS:db.example,IP:127.0.0.1"; empty: none
    std::string issuer = {};
    std::string digest = "SHA256";  ///< of the signature; not for Ed25519
    key_kind key = key_kind::ec;
    bool is_ca = false;
    bool expired = false;
    std::string pass_phrase = {};  ///< of the key file; empty: not encrypted
};

/// A directory of PEM files, NAME.crt and NAME.key, gone with this object.
class certificate_directory {
  public:
    certificate_directory();
    ~certificate_directory();
    certificate_directory(const certificate_directory&) = delete;
    certificate_directory& operator=(const certificate_directory&) = delete;

    void make(const std::string& name, const certificate_wish& wish);
    std::string certificate(const std::string& name) const { return (path_ / (name + ".crt")).string(); }
    std::string key(const std::string& name) const { return (path_ / (name + ".key")).string(); }
    /// The hash of a made certificate's DER bytes.
    std::string digest(const std::string& name, const char* hash) const;
    /// A file of the directory with any text.
    std::string file(const std::string& name, std::string_view text) const;

  private:
    std::filesystem::path path_;
};

}  // namespace ringway::tests
