//! Credentials of this dialect: `Authorization: Splunk KEY`, Basic, Bearer, or the session cookie; and logins
//! (dialect note, 2).

use hyper::header::{AUTHORIZATION, COOKIE};
use hyper::{HeaderMap, StatusCode};

use super::args::{Args, Mode};
use super::endpoint::Endpoint;
use super::trouble::login_failed;
use super::{json, render, xml};
use crate::access::{Denied, Presented};
use crate::dialect::login::{self, TokenWish};
use crate::dialect::reply::Reply;
use crate::dialect::trouble::Trouble;
use crate::dialect::{Call, Context};
use crate::domain::user::TokenKind;

/// The cookie's name on every node: behind one address a cookie of one node must be good at the next, and the vendor
/// names it after the port of its default listener.
const COOKIE_NAME: &str = "splunkd_8089";
/// What every name of a session cookie begins with.
const COOKIE_PREFIX: &str = "splunkd_";

/// The credential that a request carries: the header if there is one, else the cookie.
pub(super) fn presented(headers: &HeaderMap) -> Result<Presented, Denied> {
    if !headers.contains_key(AUTHORIZATION) {
        return cookie(headers).map(Presented::Token).ok_or(Denied::Anonymous);
    }
    match scheme(headers) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("splunk") && !key.is_empty() => {
            Ok(Presented::Token(key.to_owned()))
        }
        _ => Presented::of(headers),
    }
}

/// The header's two words, if there is exactly one header.
fn scheme(headers: &HeaderMap) -> Option<(&str, &str)> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    let (scheme, key) = value.trim().split_once(' ')?;
    values.next().is_none().then_some((scheme, key.trim()))
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let keys = pairs.filter(|(name, _)| name.starts_with(COOKIE_PREFIX)).map(|(_, key)| key.trim_matches('"'));
    keys.filter(|key| !key.is_empty()).map(str::to_owned).next()
}

/// Whether a request came with a session key or token, good or not: the two kinds of 401 differ by that.
pub(super) fn is_token(headers: &HeaderMap) -> bool {
    matches!(presented(headers), Ok(Presented::Token(_)))
}

/// A name and a password for a session key; with `cookie=1` it is set as a cookie, too.
pub(super) async fn login(call: &Call<Endpoint>, args: &Args, mode: Mode) -> Result<Reply, Trouble> {
    let (user, password) = (args.one("username")?, args.one("password")?);
    let wants_cookie = args.flag("cookie")?.unwrap_or(false);
    let (Some(user), Some(password)) = (user.filter(|user| !user.is_empty()), password) else {
        return Ok(login_failed(mode, StatusCode::BAD_REQUEST));
    };
    let (caller, ttl_ms) = login::verified(&call.cx, &call.head, user.to_owned(), password.to_owned()).await?;
    let wish =
        TokenWish { user: caller.actor.user.clone(), kind: TokenKind::Session, label: "splunk session".into(), ttl_ms };
    let (key, _) = login::make_token(&call.cx, &call.head, caller.actor, &wish).await?;
    let text = match mode {
        Mode::Xml => xml::session(&key),
        Mode::Json => json::session(&key),
    };
    let reply = render::whole(mode, StatusCode::OK, text);
    Ok(if wants_cookie { reply.with("set-cookie", &set_cookie(&call.cx, &key)) } else { reply })
}

fn set_cookie(cx: &Context, key: &str) -> String {
    let secure = if super::answer::base(cx).starts_with("https:") { "; Secure" } else { "" };
    format!("{COOKIE_NAME}={key}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("is a value"));
        }
        match presented(&map) {
            Ok(Presented::Token(token)) => Some(token),
            Ok(Presented::Password { user, password }) => Some(format!("{user}:{password}")),
            Err(_) => None,
        }
    }

    #[test]
    fn every_way_to_say_who_one_is_is_read() {
        assert_eq!(of(&[("authorization", "Splunk abc")]).as_deref(), Some("abc"));
        assert_eq!(of(&[("authorization", "splunk  abc")]).as_deref(), Some("abc"));
        assert_eq!(of(&[("authorization", "Bearer abc")]).as_deref(), Some("abc"));
        assert_eq!(of(&[("authorization", "Basic YTpi")]).as_deref(), Some("a:b"));
        assert_eq!(of(&[("cookie", "x=1; splunkd_8089=abc; y=2")]).as_deref(), Some("abc"));
        assert_eq!(of(&[("cookie", "splunkd_443=\"abc\"")]).as_deref(), Some("abc"));
        assert_eq!(of(&[("authorization", "Splunk abc"), ("cookie", "splunkd_1=d")]).as_deref(), Some("abc"));
        for headers in
            [&[][..], &[("authorization", "Splunk")], &[("authorization", "Digest x")], &[("cookie", "splunkd_1=")]]
        {
            assert_eq!(of(headers), None, "{headers:?}");
        }
        assert_eq!(of(&[("authorization", "Splunk a"), ("authorization", "Splunk b")]), None);
    }
}
