//! Random bytes from the operating system: the keystore's only chance.
//!
//! Keys, nonces, salts and tokens are all drawn here, so a weaker source has no way in.

use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::root::CryptoFailed;

/// Bytes nobody can guess; wiped when dropped.
pub(crate) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, CryptoFailed> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| CryptoFailed)?;
    Ok(bytes)
}
