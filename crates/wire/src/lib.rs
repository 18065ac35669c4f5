//! The OpenAI dialect: bodies, splicing, SSE framing, the public error table.

pub mod chat;
