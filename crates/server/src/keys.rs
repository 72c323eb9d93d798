//! The installation's key, and the keys that tokens are signed with.
//!
//! - [`Seal`] encrypts what the store must not be able to read (signing keys, TOTP secrets, configuration), bound to a
//!   purpose, so that one sealed value cannot be put in another's place.
//! - [`SigningKeys`] sign tokens with RS256. A new key is published before it signs, and an old one stays published
//!   until the last token it signed has expired (HS-35). Which key does what follows from the times they start alone,
//!   so that all nodes agree without talking.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    encoding::{AsDer as _, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::RSA_PKCS1_SHA256,
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use hmac::{Hmac, Mac as _};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sha2::Sha256;
use vestibule_store::Timestamp;

use crate::error::Fault;

/// The longest token that is looked at, in bytes (HS-34).
const LONGEST_TOKEN: usize = 16 * 1024;

/// What tokens are signed with and stored values are sealed with.
pub struct Keys {
    /// Seals what is stored.
    pub seal: Seal,
    /// Signs tokens.
    pub signing: SigningKeys,
}

/// The installation's key: 32 bytes that never enter the store.
pub struct Seal {
    aead: RandomizedNonceKey,
    mac: Hmac<Sha256>,
}

impl Seal {
    /// The seal of an installation.
    ///
    /// # Errors
    /// [`Fault`] when the cipher refuses the key.
    pub fn new(installation_key: &[u8; 32]) -> Result<Self, Fault> {
        let fault = |_| Fault::broken("the cipher refuses the installation's key");
        let mac = Hmac::<Sha256>::new_from_slice(installation_key)
            .map_err(|_| Fault::broken("the MAC refuses the installation's key"))?;
        let mut derived = mac.clone();
        derived.update(b"vestibule seal 1");
        let aead = RandomizedNonceKey::new(&AES_256_GCM, &derived.finalize().into_bytes()).map_err(fault)?;
        Ok(Self { aead, mac })
    }

    /// Seals a value for a purpose, such as `totp/auth0|5f7c…`. Whoever opens it must name the same purpose.
    ///
    /// # Errors
    /// [`Fault`] when the cipher fails.
    pub fn seal(&self, purpose: &str, value: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut sealed = value.to_vec();
        let nonce = self
            .aead
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut sealed)
            .map_err(|_| Fault::broken("a value could not be sealed"))?;
        let nonce: &[u8; NONCE_LEN] = nonce.as_ref();
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    /// [`Fault`] when it was sealed by another installation, for another purpose, or has been changed.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, Fault> {
        let unreadable = || Fault::broken("a stored value was not sealed by this installation for this purpose");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
        let mut opened = rest.to_vec();
        let length =
            self.aead.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut opened).map_err(|_| unreadable())?.len();
        opened.truncate(length);
        Ok(opened)
    }

    /// A MAC of this installation over a purpose and some data, for tokens of forms and the like.
    #[must_use]
    pub fn mac(&self, purpose: &str, data: &[u8]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(&(purpose.len() as u64).to_le_bytes());
        mac.update(purpose.as_bytes());
        mac.update(data);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(…)")
    }
}

/// All signing keys of the installation.
pub struct SigningKeys(RwLock<Arc<Vec<SigningKey>>>);

/// A key that signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// Its name: the RFC 7638 thumbprint of its public half.
    pub kid: String,
    /// When it begins to sign; it is published before.
    pub from: Timestamp,
    pem: String,
    /// Read and checked once: that costs as much as several signatures.
    pair: KeyPair,
    decoding: DecodingKey,
    public: Jwk,
}

/// The form in which a key is sealed and stored.
#[derive(Serialize, Deserialize)]
struct StoredKey {
    from: i64,
    pem: String,
}

impl SigningKey {
    /// A new RSA key of 2048 bits. It takes a good part of a second: call it where that disturbs nobody.
    ///
    /// # Errors
    /// [`Fault`] when no key could be made.
    pub fn generate(from: Timestamp) -> Result<Self, Fault> {
        let made = KeyPair::generate(KeySize::Rsa2048).map_err(|_| Fault::broken("no RSA key could be made"))?;
        let der: Pkcs8V1Der<'_> = made.as_der().map_err(|_| Fault::broken("an RSA key has no PKCS #8 form"))?;
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            BASE64_STANDARD.encode(der.as_ref())
        );
        Self::of_pem(from, pem)
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// [`Fault`] when it is no such key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Fault> {
        let StoredKey { from, pem } = serde_json::from_slice(bytes)?;
        Self::of_pem(Timestamp(from), pem)
    }

    /// The stored form; to be sealed.
    ///
    /// # Errors
    /// [`Fault`] when it cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Fault> {
        Ok(serde_json::to_vec(&StoredKey { from: self.from.0, pem: self.pem.clone() })?)
    }

    fn of_pem(from: Timestamp, pem: String) -> Result<Self, Fault> {
        let encoding = EncodingKey::from_rsa_pem(pem.as_bytes())?;
        let pair = KeyPair::from_der(encoding.as_bytes())?;
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::RS256)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&public)?;
        Ok(Self { kid, from, pem, pair, decoding, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} from {})", self.kid, self.from.0)
    }
}

/// Why a token is not believed. Nobody outside is told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token is not one of ours, or no longer good")]
pub struct InvalidToken;

impl SigningKeys {
    /// With these keys; there has to be one that signs already.
    #[must_use]
    pub fn new(keys: Vec<SigningKey>) -> Self {
        let signing = Self(RwLock::default());
        signing.replace(keys);
        signing
    }

    /// Takes the keys as they are stored now, in place of all others.
    pub fn replace(&self, mut keys: Vec<SigningKey>) {
        keys.sort_by(|a, b| (a.from.0, &a.kid).cmp(&(b.from.0, &b.kid)));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// All keys, oldest first.
    #[must_use]
    pub fn all_keys(&self) -> Vec<SigningKey> {
        self.all().to_vec()
    }

    fn all(&self) -> Arc<Vec<SigningKey>> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Signs claims. `typ` tells what kind of token it is: `JWT` an ID token, `at+jwt` an access token (RFC 9068).
    ///
    /// # Errors
    /// [`Fault`] when there is no key.
    pub fn sign<C: Serialize>(&self, typ: &str, claims: &C, now: Timestamp) -> Result<String, Fault> {
        let keys = self.all();
        let key = keys.iter().rev().find(|key| key.from.0 <= now.0).or(keys.first());
        let key = key.ok_or_else(|| Fault::broken("there is no key to sign tokens with"))?;
        let mut header = Header::new(Algorithm::RS256);
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.kid.clone());
        let part = |json: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(json);
        let message = format!("{}.{}", part(serde_json::to_vec(&header)?), part(serde_json::to_vec(claims)?));
        let mut signature = vec![0; key.pair.public_modulus_len()];
        key.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
            .map_err(|_| Fault::broken("a token could not be signed"))?;
        Ok(format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a token of ours of this kind. Times are not looked at: the caller has the clock and knows which
    /// matter to it.
    ///
    /// # Errors
    /// [`InvalidToken`], whatever is wrong with it.
    pub fn verify<C: DeserializeOwned>(&self, typ: &str, token: &str) -> Result<C, InvalidToken> {
        if token.len() > LONGEST_TOKEN {
            return Err(InvalidToken);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| InvalidToken)?;
        let keys = self.all();
        let key = keys.iter().find(|key| header.kid.as_ref() == Some(&key.kid)).ok_or(InvalidToken)?;
        if header.typ.as_deref() != Some(typ) || header.crit.is_some() {
            return Err(InvalidToken);
        }
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Ok(jsonwebtoken::decode(token, &key.decoding, &validation).map_err(|_| InvalidToken)?.claims)
    }

    /// The JSON Web Key Set: keys that will sign, the one that does, and those whose last token has not expired.
    #[must_use]
    pub fn jwks(&self, now: Timestamp, longest_token: Duration) -> Value {
        let keys = self.all();
        let longest = i64::try_from(longest_token.as_millis()).unwrap_or(i64::MAX);
        let replaced_at = |at: usize| keys.get(at + 1).map(|next| next.from.0);
        let is_needed = |at: usize| replaced_at(at).is_none_or(|replaced| now.0 < replaced.saturating_add(longest));
        let public = keys.iter().enumerate().filter(|(at, _)| is_needed(*at)).map(|(_, key)| &key.public);
        json!({"keys": public.collect::<Vec<_>>()})
    }

    /// The names of all keys, oldest first, and when each begins to sign.
    #[must_use]
    pub fn list(&self) -> Vec<(String, Timestamp)> {
        self.all().iter().map(|key| (key.kid.clone(), key.from)).collect()
    }
}
