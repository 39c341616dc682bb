//! The provider's public keys (RFC 7517, 7518, 8037) and what they can verify.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys of a set that are looked at.
const MAX_KEYS: usize = 64;

/// A way to sign. Symmetric ones and `none` are left out: anybody who knows the client's secret could sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// The algorithm of this name in the head of a token.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }

    /// The curve, and how its points are verified.
    fn curve(self) -> Option<(&'static str, &'static dyn VerificationAlgorithm)> {
        Some(match self {
            Self::Es256 => ("P-256", &ECDSA_P256_SHA256_FIXED),
            Self::Es384 => ("P-384", &ECDSA_P384_SHA384_FIXED),
            Self::EdDsa => ("Ed25519", &ED25519),
            _ => return None,
        })
    }
}

/// One public key as it is published; what does not concern signatures is left out.
#[derive(Clone, Debug, Deserialize)]
struct Jwk {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

/// The keys of a provider.
#[derive(Clone, Debug)]
pub(crate) struct KeySet {
    keys: Vec<Jwk>,
}

impl KeySet {
    /// The keys in a JSON document `{"keys": […]}`; those of a form that is not understood are left out.
    pub(crate) fn parse(document: &Value) -> Option<Self> {
        let keys = document.get("keys")?.as_array()?.iter().take(MAX_KEYS);
        let keys = keys.filter_map(|key| Jwk::deserialize(key).ok()).collect();
        Some(Self { keys })
    }

    /// Whether one of the keys may have signed with this algorithm under this id.
    pub(crate) fn has(&self, algorithm: Algorithm, key_id: Option<&str>) -> bool {
        self.fitting(algorithm, key_id).next().is_some()
    }

    /// Whether one of the keys that fit has signed the message.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        key_id: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.fitting(algorithm, key_id).any(|key| key.verify(algorithm, message, signature).is_some())
    }

    fn fitting(&self, algorithm: Algorithm, key_id: Option<&str>) -> impl Iterator<Item = &Jwk> {
        self.keys.iter().filter(move |key| {
            key.fits(algorithm)
                && key_id.is_none_or(|wanted| key.kid.as_deref().is_none_or(|kid| kid == wanted))
        })
    }
}

impl Jwk {
    fn fits(&self, algorithm: Algorithm) -> bool {
        let for_signatures = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let same = self.alg.as_deref().is_none_or(|alg| Algorithm::parse(alg) == Some(algorithm));
        let kind = match algorithm.curve() {
            None => self.kty == "RSA",
            Some((curve, _)) => {
                let kty = if algorithm == Algorithm::EdDsa { "OKP" } else { "EC" };
                self.kty == kty && self.crv.as_deref() == Some(curve)
            }
        };
        for_signatures && same && kind
    }

    /// Something when the signature is this key's.
    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Option<()> {
        if let Some(parameters) = algorithm.rsa() {
            let key = RsaPublicKeyComponents { n: number(self.n.as_ref())?, e: number(self.e.as_ref())? };
            return key.verify(parameters, message, signature).ok();
        }
        let (_, verification) = algorithm.curve()?;
        let mut point = Vec::new();
        if algorithm == Algorithm::EdDsa {
            point.extend(decoded(self.x.as_ref())?);
        } else {
            // An uncompressed point (SEC 1, 2.3.3).
            point.push(4);
            point.extend(decoded(self.x.as_ref())?);
            point.extend(decoded(self.y.as_ref())?);
        }
        UnparsedPublicKey::new(verification, point).verify(message, signature).ok()
    }
}

fn decoded(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// A number without the zeros before it, which `ring` refuses and some providers write.
fn number(text: Option<&String>) -> Option<Vec<u8>> {
    let bytes = decoded(text)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes[zeros..].to_vec())
}
