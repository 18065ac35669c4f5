//! The keystore from outside: tokens minted, and tokens forged.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod forge;
#[cfg(test)]
mod published_attacks;
#[cfg(test)]
mod tokens;
