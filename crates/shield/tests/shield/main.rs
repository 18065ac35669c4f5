//! The shield from outside: attacks are found, honest callers are left alone.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod benign;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod collected;
#[cfg(test)]
mod payloads;
