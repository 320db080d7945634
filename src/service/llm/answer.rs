//! What the server answers: a pure function of the request, the secrets, the options and the faults that are left.
//!
//! Source of the shapes: DeepSeek's API reference, and for 401 the body that the public server gave in a
//! recorded transcript, byte for byte.

use super::auth::Auth;
use super::fault::{Kind, Route};
use super::options::Options;
use super::{chat, fim, lists};
use crate::service::Secrets;
use serde_json::{Value, json};

/// How the bytes of a body are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Events,
    Html,
}

/// What becomes of the answer on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Sound,
    Reset,
    Hang,
    Cut,
}

/// An answer before it becomes bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) media: Media,
    /// The body in the pieces in which it is sent: one, or one an event.
    pub(super) pieces: Vec<String>,
    pub(super) retry_after: Option<u64>,
    /// Whether the nonce is in it.
    pub(super) nonce: bool,
    pub(super) way: Way,
    /// Word of the fault that it suffered, where its status does not tell.
    pub(super) fault: Option<&'static str>,
}

impl Answer {
    fn new(status: u16, media: Media, pieces: Vec<String>) -> Self {
        Self { status, media, pieces, retry_after: None, nonce: false, way: Way::Sound, fault: None }
    }

    /// A good answer, and whether it carries the nonce.
    pub(super) fn good(body: &Value, nonce: bool) -> Self {
        Self { nonce, ..Self::new(200, Media::Json, vec![body.to_string()]) }
    }

    /// A good answer in events.
    pub(super) fn events(events: Vec<String>, nonce: bool) -> Self {
        Self { nonce, ..Self::new(200, Media::Events, events) }
    }

    /// The error of that status with its usual sentence.
    pub(super) fn usual(status: u16, retry_after: u64) -> Self {
        let message = match status {
            400 => "Invalid request format",
            401 => "Authentication Fails (no such user)",
            402 => "Insufficient Balance",
            404 => "Not found",
            405 => "Method not allowed",
            408 => "The request body did not arrive in time",
            413 => "The request body is too large",
            422 => "Invalid parameters",
            429 => "Rate limit reached",
            502 => "Bad gateway",
            503 => "The server is overloaded",
            _ => "Internal server error",
        };
        let retry_after = (status == 429).then_some(retry_after);
        Self { retry_after, ..Self::error(status, message) }
    }

    /// An error with its own sentence.
    pub(super) fn error(status: u16, message: &str) -> Self {
        let (kind, code) = match status {
            401 => ("authentication_error", "invalid_request_error"),
            402 => ("unknown_error", "invalid_request_error"),
            429 => ("rate_limit_error", "rate_limit_reached"),
            500 | 502 => ("server_error", "internal_error"),
            503 => ("server_error", "service_unavailable"),
            _ => ("invalid_request_error", "invalid_request_error"),
        };
        let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        Self::new(status, Media::Json, vec![body.to_string()])
    }

    /// What a fault makes of a good answer.
    fn spoilt(mut self, kind: Kind, retry_after: u64) -> Self {
        self.nonce = false;
        self.fault = kind.word();
        match kind {
            Kind::Status(status) => return Self::usual(status, retry_after),
            Kind::Reset => self.way = Way::Reset,
            Kind::Hang => self.way = Way::Hang,
            Kind::Cut => self.way = Way::Cut,
            Kind::Html => {
                self.media = Media::Html;
                self.pieces = vec![PAGE.to_owned()];
            }
            Kind::Empty => self.pieces.clear(),
            Kind::Garbage => {
                // What is left of each piece is no JSON any more, and in events still looks like one.
                for piece in self.pieces.iter_mut().filter(|piece| piece.contains('{')) {
                    let half = piece.char_indices().nth(piece.chars().count() / 2).map_or(0, |(at, _)| at);
                    piece.truncate(half);
                    piece.push_str("\u{0}}{\u{fffd}");
                    piece.push_str(if self.media == Media::Events { "\n\n" } else { "" });
                }
            }
        }
        self
    }
}

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>One moment</title></head>\
                    <body><h1>One moment</h1><p>The site is checking your connection.</p></body></html>\n";

/// The route of a path and whether it is below `/beta`. `/v1`, a query and a final slash do not count.
pub(super) fn route(path: &str) -> Option<(Route, bool)> {
    let below =
        |path: &'_ str, prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    let beta = below(path, "/beta");
    let path = if beta { &path["/beta".len()..] } else { path };
    let path = if below(path, "/v1") { &path["/v1".len()..] } else { path };
    let route = match path.trim_end_matches('/') {
        "/chat/completions" => Route::Chat,
        "/completions" => Route::Fim,
        "/models" => Route::Models,
        "/user/balance" => Route::Balance,
        _ => return None,
    };
    Some((route, beta))
}

/// A request as far as the answer depends on it.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) auth: Auth,
    /// The body as JSON; `Err` is the parser's reason.
    pub(super) body: Result<&'a Value, &'a str>,
    /// Seconds to wait, where a good answer is refused with 429: a limit is reached, or the time of an
    /// earlier 429 is not over.
    pub(super) busy: Option<u64>,
}

/// Answers. Order: path, method, key, body, then limits, then faults, so that these only take the place of a good
/// answer.
pub(super) fn answer(asked: &Asked<'_>, options: &mut Options, secrets: &Secrets) -> Answer {
    let Some((route, beta)) = route(asked.path) else {
        return Answer::error(404, &format!("There is nothing at {}", asked.path));
    };
    let completion = matches!(route, Route::Chat | Route::Fim);
    let wanted = if completion { "POST" } else { "GET" };
    if asked.method != wanted {
        return Answer::error(405, &format!("{} takes {wanted}, not {}", asked.path, asked.method));
    }
    if asked.auth != Auth::Ok {
        return Answer::usual(401, 0);
    }
    let good = match route {
        Route::Chat => chat::answer(asked.body, beta, options, secrets),
        Route::Fim => fim::answer(asked.body, beta, options, secrets),
        Route::Models => Ok(Answer::good(&lists::models(options, secrets), true)),
        Route::Balance => Ok(Answer::good(&lists::balance(options, secrets), true)),
    };
    let good = match good {
        Ok(answer) => answer,
        Err(refusal) => return refusal,
    };
    if let Some(seconds) = asked.busy {
        return Answer::usual(429, seconds);
    }
    match options.next_fault(route) {
        Some(kind) => good.spoilt(kind, options.retry_after),
        None if completion && !options.funded() => Answer::usual(402, 0),
        None => good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_with_and_without_their_prefixes() {
        for (path, wanted) in [
            ("/chat/completions", Some((Route::Chat, false))),
            ("/v1/chat/completions/", Some((Route::Chat, false))),
            ("/beta/chat/completions", Some((Route::Chat, true))),
            ("/beta/v1/completions", Some((Route::Fim, true))),
            ("/completions", Some((Route::Fim, false))),
            ("/beta/models", Some((Route::Models, true))),
            ("/user/balance", Some((Route::Balance, false))),
            ("/betachat/completions", None),
            ("/v1/beta/models", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(route(path), wanted, "{path}");
        }
    }
}
