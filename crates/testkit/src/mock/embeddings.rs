//! Embeddings of OpenAI's, Google's, Cohere's and Ollama's: a vector for each input that depends on its text alone, so that order can be checked.
//!
//! Numbers are multiples of 1/256, which floats and base64 say alike.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::ask::{Complaint, complain, member, model};
use super::surface::Surface;
use super::tokens::tokens;
use crate::script::Script;

/// How long a vector is of which nothing is said.
const USUAL_DIMENSIONS: usize = 8;
const DIMENSIONS_MAX: usize = 4096;

/// An embedding request, understood.
#[derive(Debug)]
pub(crate) struct EmbedAsk {
    pub(crate) script: Script,
    surface: Surface,
    model: String,
    inputs: Vec<Input>,
    dimensions: usize,
    is_packed: bool,
    /// Whether it came to Vertex AI, whose answers have another form than Gemini's.
    is_predicted: bool,
}

#[derive(Debug)]
struct Input {
    /// What decides the vector.
    text: String,
    tokens: u64,
}

impl EmbedAsk {
    pub(crate) fn read(
        surface: Surface,
        path: &str,
        body: &[u8],
        default: &Script,
    ) -> Result<Self, Complaint> {
        let mut body: Value = serde_json::from_slice(body)
            .map_err(|why| Complaint { message: format!("the body is no JSON: {why}"), param: None })?;
        let is_predicted = path.ends_with(":predict");
        if is_predicted {
            body = of_predict(path, &body)?;
        } else {
            check(surface, &mut body)?;
        }
        let (name, _, script) = model(&body, default)?;
        let inputs = match member(&body, "input") {
            Some(Value::Array(all)) if all.iter().all(Value::is_u64) && !all.is_empty() => {
                Some(vec![Input::of_tokens(all)])
            }
            Some(Value::Array(all)) if !all.is_empty() => all.iter().map(Input::of).collect::<Option<_>>(),
            Some(one @ Value::String(_)) => Input::of(one).map(|one| vec![one]),
            _ => None,
        };
        let Some(inputs) = inputs else {
            return complain("`input` must be a string, an array of strings or token arrays", "input");
        };
        let dimensions = match member(&body, "dimensions").map(Value::as_u64) {
            None => USUAL_DIMENSIONS,
            Some(Some(count @ 1..)) if count <= DIMENSIONS_MAX as u64 => count as usize,
            Some(_) => return complain("`dimensions` must be from 1 to 4096", "dimensions"),
        };
        let is_packed = match member(&body, "encoding_format").map(Value::as_str) {
            None | Some(Some("float")) => false,
            Some(Some("base64")) => true,
            Some(_) => return complain("`encoding_format` must be float or base64", "encoding_format"),
        };
        Ok(Self { script, surface, model: name, inputs, dimensions, is_packed, is_predicted })
    }

    /// The body of the answer.
    pub(crate) fn answer(&self) -> String {
        let prompt: u64 = self.inputs.iter().map(|input| input.tokens).sum();
        let vectors = || self.inputs.iter().map(|input| vector(&input.text, self.dimensions));
        match self.surface {
            Surface::Cohere => {
                let meta = json!({"api_version": {"version": "2"}, "billed_units": {"input_tokens": prompt}});
                let float: Vec<_> = vectors().collect();
                return json!({"id": "embedded", "embeddings": {"float": float}, "meta": meta}).to_string();
            }
            Surface::Generate if self.is_predicted => {
                let predictions = self.inputs.iter().map(|input| {
                    let statistics = json!({"token_count": input.tokens, "truncated": false});
                    let values = vector(&input.text, self.dimensions);
                    json!({"embeddings": {"values": values, "statistics": statistics}})
                });
                return json!({ "predictions": predictions.collect::<Vec<_>>() }).to_string();
            }
            Surface::Generate => {
                let all: Vec<_> = vectors().map(|values| json!({ "values": values })).collect();
                let usage = json!({ "promptTokenCount": prompt });
                return json!({"embeddings": all, "usageMetadata": usage}).to_string();
            }
            Surface::Ollama => {
                let all: Vec<_> = vectors().collect();
                return json!({"model": self.model, "embeddings": all, "total_duration": 1, "load_duration": 1, "prompt_eval_count": prompt}).to_string();
            }
            _ => {}
        }
        let data = self.inputs.iter().enumerate().map(|(index, input)| {
            let vector = vector(&input.text, self.dimensions);
            let embedding = if self.is_packed { packed(&vector) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        });
        let data: Vec<_> = data.collect();
        let usage = json!({"prompt_tokens": prompt, "total_tokens": prompt});
        json!({"object": "list", "data": data, "model": self.model, "usage": usage}).to_string()
    }
}

/// Refuses what the vendor would, and gives the members OpenAI's names.
fn check(surface: Surface, body: &mut Value) -> Result<(), Complaint> {
    let known: &[&str] = match surface {
        Surface::Generate => {
            *body = of_generate(body).ok_or_else(|| Complaint {
                message: "each of `requests` needs the `model` and a `content` of one text".to_owned(),
                param: None,
            })?;
            return Ok(());
        }
        Surface::Cohere => {
            &["model", "texts", "input_type", "embedding_types", "truncate", "output_dimension"]
        }
        Surface::Ollama => &["model", "input", "truncate", "dimensions", "options", "keep_alive"],
        _ => return Ok(()),
    };
    let strange = body.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    if let Some((name, _)) = strange {
        return Err(Complaint { message: format!("unknown field `{name}`"), param: None });
    }
    let Some(members) = body.as_object_mut().filter(|_| surface == Surface::Cohere) else { return Ok(()) };
    let texts = members.get("texts").and_then(Value::as_array).map_or(0, Vec::len);
    if !(1..=96).contains(&texts) || !members.contains_key("input_type") {
        return complain("invalid request: from 1 to 96 texts, and an input_type, are needed", "texts");
    }
    for (name, known) in [("texts", "input"), ("output_dimension", "dimensions")] {
        let value = members.remove(name);
        members.extend(value.map(|value| (known.to_owned(), value)));
    }
    Ok(())
}

/// A batch of Gemini's in OpenAI's words.
fn of_generate(body: &Value) -> Option<Value> {
    let requests = body.get("requests")?.as_array()?;
    let text = |request: &Value| request.pointer("/content/parts/0/text").cloned();
    let input = requests.iter().map(text).collect::<Option<Vec<_>>>()?;
    let first = requests.first()?;
    let model = first.get("model")?.as_str()?.strip_prefix("models/")?;
    Some(json!({ "model": model, "input": input, "dimensions": first.get("outputDimensionality") }))
}

/// A question of Vertex AI's in OpenAI's words; the model stands in the path.
fn of_predict(path: &str, body: &Value) -> Result<Value, Complaint> {
    let words =
        || Complaint { message: "each of `instances` needs a text as its `content`".to_owned(), param: None };
    let texts = || -> Option<Vec<Value>> {
        let instances = body.get("instances")?.as_array().filter(|all| (1..=250).contains(&all.len()))?;
        instances
            .iter()
            .map(|instance| instance.get("content").filter(|text| text.is_string()).cloned())
            .collect()
    };
    let input = texts().ok_or_else(words)?;
    let model = path.rsplit('/').next().and_then(|last| super::unescaped(last.strip_suffix(":predict")?));
    let dimensions = body.pointer("/parameters/outputDimensionality");
    Ok(json!({"model": model.ok_or_else(words)?, "input": input, "dimensions": dimensions}))
}

impl Input {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self { text: text.clone(), tokens: tokens(text).count() as u64 }),
            Value::Array(all) if !all.is_empty() && all.iter().all(Value::is_u64) => {
                Some(Self::of_tokens(all))
            }
            _ => None,
        }
    }

    fn of_tokens(all: &[Value]) -> Self {
        Self { text: Value::from(all.to_vec()).to_string(), tokens: all.len() as u64 }
    }
}

/// The vector of a text.
pub(crate) fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut state = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, step);
    let numbers = (0..dimensions).map(|_| {
        state = step(state, 0x5a);
        f32::from((state >> 32) as u8 as i8) / 256.0
    });
    numbers.collect()
}

/// One round of FNV-1a.
fn step(state: u64, byte: u8) -> u64 {
    (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
}

fn packed(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    Value::from(STANDARD.encode(bytes))
}
