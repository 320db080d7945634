//! Keys and nonces of services.

use super::Secrets;
use crate::model::{ErrorClass, RunError};
use crate::util::digest::{hex, sha256_parts};
use rustix::rand::{GetRandomFlags, getrandom};

/// Key and nonce that an agent's attempt gets: the same for the same seed, attempt and service.
///
/// Both are pieces of SHA-256 over the length-prefixed parts: key `sk-` and 32 hexadecimal digits, nonce 16.
pub fn derive_secrets(seed: u64, attempt_id: &str, service: &str) -> Secrets {
    let piece = |what: &str| {
        sha256_parts([
            b"rolltape service secrets 1".as_slice(),
            what.as_bytes(),
            &seed.to_le_bytes(),
            attempt_id.as_bytes(),
            service.as_bytes(),
        ])
    };
    Secrets { key: format!("sk-{}", &piece("key")[..32]), nonce: piece("nonce")[..16].to_owned() }
}

/// Key and nonce for a probe, from the system's randomness: nobody can know them beforehand.
pub fn random_secrets() -> Result<Secrets, RunError> {
    let mut bytes = [0_u8; 24];
    let mut filled = 0;
    while filled < bytes.len() {
        match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                let message = format!("the system gives no random bytes for a probe's key: {error}");
                return Err(RunError::new(ErrorClass::Service, message));
            }
        }
    }
    Ok(Secrets { key: format!("sk-{}", hex(&bytes[..16])), nonce: hex(&bytes[16..]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_secrets_depend_on_every_part_and_on_nothing_else() {
        let one = derive_secrets(0, "s/t/u/1", "deepseek");
        assert_eq!(one, derive_secrets(0, "s/t/u/1", "deepseek"));
        assert_eq!((one.key.len(), one.nonce.len()), (35, 16));
        assert!(!one.key.contains(&one.nonce));
        for other in [
            derive_secrets(1, "s/t/u/1", "deepseek"),
            derive_secrets(0, "s/t/u/2", "deepseek"),
            derive_secrets(0, "s/t/u/1", "other"),
            derive_secrets(0, "s/t/u/1d", "eepseek"),
        ] {
            assert_ne!(one.key, other.key);
            assert_ne!(one.nonce, other.nonce);
        }
    }

    #[test]
    fn random_secrets_have_the_same_shape_and_never_repeat() {
        let (one, two) = (random_secrets().unwrap(), random_secrets().unwrap());
        assert_eq!((one.key.len(), one.nonce.len()), (35, 16));
        assert!(one.key.starts_with("sk-") && one.key[3..].bytes().all(|b| b.is_ascii_hexdigit()));
        assert_ne!(one, two);
    }
}
