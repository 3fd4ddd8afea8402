//! Tokens: made, listed, revoked.

use super::drafts::disk_full;
use super::{Answer, Desk, body, done, internal, name_of_caller, path, status_json, whole};
use crate::tokens::TokenError;
use lapwing_api::ops::Role;
use lapwing_api::problem::{Code, Problem};
use lapwing_api::service::Call;
use lapwing_api::types::{TokenMade, TokenNew};

impl Desk {
    pub(super) fn list_tokens(&self, _: &Call) -> Answer {
        whole(self.tokens.list(), &self.view())
    }

    pub(super) fn make_token(&self, call: &Call) -> Answer {
        let wanted: TokenNew = body(call)?;
        let role: Role = wanted.role.parse().map_err(|e: String| Problem::new(Code::Invalid, e))?;
        let secret = self.tokens.make(&wanted.name, role).map_err(problem)?;
        tracing::info!(token = %wanted.name, %role, by = name_of_caller(call), "a token was made");
        status_json(201, &TokenMade { name: wanted.name, role: role.to_string(), secret: secret.to_string() })
    }

    pub(super) fn revoke_token(&self, call: &Call) -> Answer {
        let name = path(call, "name");
        self.tokens.revoke(name).map_err(problem)?;
        tracing::info!(token = %name, by = name_of_caller(call), "a token was revoked");
        done()
    }
}

fn problem(error: TokenError) -> Problem {
    let code = match &error {
        TokenError::Name(_) => Code::Invalid,
        TokenError::Exists(_) | TokenError::TooMany => Code::Conflict,
        TokenError::Unknown(_) => {
            return Problem::new(Code::NotFound, error.to_string())
                .hint("`lapwing token list` shows them; the two local ones are made anew at each start instead.");
        }
        TokenError::File(e) if e.is_full() => return disk_full(),
        TokenError::Damaged { .. } | TokenError::Random(_) | TokenError::File(_) => {
            return internal("changing tokens", error);
        }
    };
    Problem::new(code, error.to_string())
}
