//! Fields of a request's body, and how a wrong one is refused. Clients send nulls for what they leave out.

use super::answer::Answer;
use super::options::Options;
use crate::model::Object;
use serde_json::Value;

/// A body whose fields are asked for.
#[derive(Clone, Copy)]
pub(super) struct Body<'a>(&'a Object);

/// Text that ends an answer at once.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Ends {
    /// Tokens that the answer may have.
    pub(super) max_tokens: Option<u64>,
    /// Texts before which it stops.
    pub(super) stop: Vec<String>,
}

pub(super) fn wrong(what: impl AsRef<str>) -> Answer {
    Answer::error(422, what.as_ref())
}

pub(super) fn refused(what: impl AsRef<str>) -> Answer {
    Answer::error(400, what.as_ref())
}

impl<'a> Body<'a> {
    /// The body as an object.
    pub(super) fn of(body: Result<&'a Value, &str>) -> Result<Self, Answer> {
        let body = body.map_err(|why| refused(format!("The body is not JSON: {why}")))?;
        body.as_object().map(Self).ok_or_else(|| wrong("The body must be a JSON object"))
    }

    pub(super) fn object(self) -> &'a Object {
        self.0
    }

    /// A field that is there and is not null.
    pub(super) fn given(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The model's name as it was written; that it is known is another question.
    pub(super) fn model(self) -> Result<&'a str, Answer> {
        self.0.get("model").and_then(Value::as_str).ok_or_else(|| wrong("The field 'model' is missing"))
    }

    pub(super) fn known(model: &str, options: &Options) -> Result<(), Answer> {
        let known = options.models.iter().any(|known| known == model);
        known.then_some(()).ok_or_else(|| refused("Model Not Exist"))
    }

    pub(super) fn flag(self, name: &str) -> Result<bool, Answer> {
        match self.given(name) {
            None => Ok(false),
            Some(value) => {
                value.as_bool().ok_or_else(|| wrong(format!("The field '{name}' must be true or false")))
            }
        }
    }

    /// A number within limits.
    pub(super) fn number(self, name: &str, least: f64, most: f64) -> Result<(), Answer> {
        let fits = |value: &Value| value.as_f64().is_some_and(|number| (least..=most).contains(&number));
        match self.given(name) {
            Some(value) if !fits(value) => {
                Err(wrong(format!("The field '{name}' must be a number from {least} to {most}")))
            }
            _ => Ok(()),
        }
    }

    /// Whether events shall come, and usage in an event of its own.
    pub(super) fn stream(self) -> Result<Option<bool>, Answer> {
        let stream = self.flag("stream")?;
        let usage = match self.given("stream_options") {
            None => false,
            Some(_) if !stream => {
                return Err(refused("The field 'stream_options' is only for 'stream': true"));
            }
            Some(Value::Object(options)) => {
                options.get("include_usage").and_then(Value::as_bool).unwrap_or(false)
            }
            Some(_) => return Err(wrong("The field 'stream_options' must be an object")),
        };
        Ok(stream.then_some(usage))
    }

    /// Where the answer shall end.
    pub(super) fn ends(self) -> Result<Ends, Answer> {
        let max_tokens = match self.given("max_tokens") {
            None => None,
            Some(value) => {
                let tokens = value.as_u64().filter(|tokens| *tokens > 0);
                Some(tokens.ok_or_else(|| wrong("The field 'max_tokens' must be a whole number above 0"))?)
            }
        };
        let stop: Option<Vec<String>> = match self.given("stop") {
            None => Some(Vec::new()),
            Some(Value::String(text)) => Some(vec![text.clone()]),
            Some(Value::Array(texts)) if texts.len() <= 16 => {
                texts.iter().map(|text| text.as_str().map(str::to_owned)).collect()
            }
            Some(_) => None,
        };
        let mut stop = stop.ok_or_else(|| wrong("The field 'stop' must be text or at most 16 texts"))?;
        stop.retain(|text| !text.is_empty());
        Ok(Ends { max_tokens, stop })
    }
}

impl Ends {
    /// The text up to its end, and the reason of the end. `left` are the tokens that may still come.
    pub(super) fn cut(&self, text: &mut String, left: Option<u64>) -> &'static str {
        if let Some(at) = self.stop.iter().filter_map(|stop| text.find(stop.as_str())).min() {
            text.truncate(at);
        }
        let Some(left) = left else { return "stop" };
        let most = usize::try_from(left).unwrap_or(usize::MAX).saturating_mul(super::usage::CHARS);
        match text.char_indices().nth(most) {
            Some((at, _)) => {
                text.truncate(at);
                "length"
            }
            None => "stop",
        }
    }
}
