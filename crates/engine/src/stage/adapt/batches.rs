//! Embeddings at a vendor with words of its own: so many texts an exchange, and one answer out of all.
//!
//! Vectors keep the order of their texts whatever the number of exchanges, and usage is the sum of what was booked.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use nexus_core::{call::Call, fault::Fault, refusal::Refusal, site::Site, usage::Usage};
use nexus_providers::dialect::{
    Decoded, Encoded, Unsayable, bad_answer,
    embedder::{EmbedAsk, Embedder},
};
use nexus_wire::embedding::{EmbeddingRequest, render};

use crate::estimate::Prompt;

/// The texts of a request, and how far they are embedded.
pub(super) struct Batches<'a> {
    embedder: &'static dyn Embedder,
    request: &'a EmbeddingRequest,
    known_as: &'a str,
    texts: Arc<[String]>,
    /// The texts of the latest exchange.
    batch: Range<usize>,
    vectors: Vec<Vec<f32>>,
    tokens: u64,
}

impl<'a> Batches<'a> {
    pub(super) fn new(
        embedder: &'static dyn Embedder,
        request: &'a EmbeddingRequest,
        body: &Bytes,
        known_as: &'a str,
    ) -> Result<Self, Refusal> {
        let texts = request.texts(body).ok_or_else(|| Refusal::Unsayable {
            param: "input".to_owned(),
            message: "token ids cannot be said to this model's provider; send the text".to_owned(),
        })?;
        let vectors = Vec::with_capacity(texts.len());
        Ok(Self { embedder, request, known_as, texts: texts.into(), batch: 0..0, vectors, tokens: 0 })
    }

    fn ask<'b>(&'b self, call: &'b Call, real_model: &'b str, site: Site<'b>) -> EmbedAsk<'b> {
        EmbedAsk {
            call,
            texts: self.texts.get(self.batch.clone()).unwrap_or_default(),
            dimensions: self.request.dimensions,
            user: self.request.user.as_deref(),
            real_model,
            known_as: self.known_as,
            site,
        }
    }

    pub(super) fn ask_on(
        &mut self,
        call: &Call,
        real_model: &str,
        site: Site<'_>,
    ) -> Result<Option<Encoded>, Unsayable> {
        let begin = self.batch.end;
        if begin >= self.texts.len() {
            return Ok(None);
        }
        let most = self.embedder.batch_max(self.known_as).max(1);
        self.batch = begin..begin.saturating_add(most).min(self.texts.len());
        self.embedder.encode(self.ask(call, real_model, site)).map(Some)
    }

    pub(super) fn prompt(&self) -> Prompt {
        Prompt::Texts(Arc::clone(&self.texts), self.batch.clone())
    }

    pub(super) fn take(
        &mut self,
        call: &Call,
        real_model: &str,
        site: Site<'_>,
        body: &Bytes,
    ) -> Result<Decoded, Fault> {
        let embedded = self.embedder.decode(self.ask(call, real_model, site), body)?;
        if embedded.vectors.len() != self.batch.len() {
            return Err(bad_answer("the provider's answer has not one embedding for each input"));
        }
        if embedded.vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err(bad_answer("the provider's answer has an embedding that is no vector"));
        }
        self.vectors.extend(embedded.vectors);
        Ok(Decoded { body: Bytes::new(), consumed: embedded.consumed, text: String::new() })
    }

    pub(super) fn spent(&mut self, usage: Usage) {
        self.tokens = self.tokens.saturating_add(usage.tokens());
    }

    pub(super) fn finish(&self, alias: &str) -> Bytes {
        // every number was looked at when it came
        render(alias, &self.vectors, self.request.encoding, self.tokens).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use nexus_core::{
        call::Operation,
        fault::Class,
        id::{RequestId, Uuid},
        site::{Options, Site},
    };
    use nexus_providers::dialect::{Consumed, embedder::Embedded};
    use proptest::prelude::*;

    use super::*;

    /// A vendor that takes three texts at once, says each text's length, and lacks or breaks vectors on demand.
    struct Three;

    impl Embedder for Three {
        fn batch_max(&self, _: &str) -> usize {
            3
        }

        fn encode(&self, ask: EmbedAsk<'_>) -> Result<Encoded, Unsayable> {
            assert!(ask.dimensions == Some(7) && ask.user == Some("u") && ask.real_model == "real");
            let body = Bytes::from(ask.texts.join(","));
            Ok(Encoded { path: "/embed".to_owned(), headers: Vec::new(), body })
        }

        fn decode(&self, ask: EmbedAsk<'_>, body: &Bytes) -> Result<Embedded, Fault> {
            let length = |text: &String| vec![text.len() as f32];
            let vectors = match &body[..] {
                b"short" => Vec::new(),
                b"broken" => vec![vec![f32::NAN]; ask.texts.len()],
                _ => ask.texts.iter().map(length).collect(),
            };
            Ok(Embedded { vectors, consumed: Consumed::default() })
        }
    }

    const PLAIN: Site<'static> = Site { region: None, options: Options::NONE, base_path: "" };

    fn call() -> Call {
        Call {
            operation: Operation::Embeddings,
            alias: "alias".to_owned(),
            is_stream: false,
            wants_usage: false,
            request: RequestId(Uuid::nil()),
            asked_at_s: 0,
        }
    }

    fn request(texts: &[String]) -> (EmbeddingRequest, Bytes) {
        let quoted: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
        let input = quoted.join(",");
        let body = Bytes::from(format!(r#"{{"model":"m","input":[{input}],"dimensions":7,"user":"u"}}"#));
        (EmbeddingRequest::read(&body).unwrap(), body)
    }

    proptest! {
        #[test]
        fn however_many_exchanges_it_takes_every_text_has_its_vector(
            texts in prop::collection::vec("[a-z]{0,9}", 1..20)
        ) {
            let (request, body) = request(&texts);
            let mut batches = Batches::new(&Three, &request, &body, "real").ok().unwrap();
            let mut asked = Vec::new();
            while let Some(encoded) = batches.ask_on(&call(), "real", PLAIN).unwrap() {
                asked.extend(encoded.body.split(|byte| *byte == b',').map(<[u8]>::to_vec));
                batches.take(&call(), "real", PLAIN, &encoded.body).unwrap();
                batches.spent(Usage::text(3, 0));
            }
            let sent: Vec<_> = texts.iter().map(|text| text.clone().into_bytes()).collect();
            prop_assert_eq!(asked, sent);
            let lengths: Vec<_> = texts.iter().map(|text| vec![text.len() as f32]).collect();
            let tokens = 3 * texts.len().div_ceil(3) as u64;
            let expected = render("alias", &lengths, request.encoding, tokens).unwrap();
            prop_assert_eq!(batches.finish("alias"), expected);
        }
    }

    #[test]
    fn an_answer_that_lacks_or_breaks_a_vector_is_a_fault() {
        for answer in ["short", "broken"] {
            let (request, body) = request(&["a".to_owned()]);
            let mut batches = Batches::new(&Three, &request, &body, "real").ok().unwrap();
            batches.ask_on(&call(), "real", PLAIN).unwrap();
            let came = batches.take(&call(), "real", PLAIN, &Bytes::from_static(answer.as_bytes()));
            assert_eq!(came.err().map(|fault| fault.class), Some(Class::BadAnswer), "{answer}");
        }
    }

    #[test]
    fn token_ids_are_refused_by_name() {
        let body = Bytes::from_static(br#"{"model":"m","input":[[1,2]]}"#);
        let request = EmbeddingRequest::read(&body).unwrap();
        let refused = Batches::new(&Three, &request, &body, "real").err();
        assert!(matches!(refused, Some(Refusal::Unsayable { param, .. }) if param == "input"));
    }
}
