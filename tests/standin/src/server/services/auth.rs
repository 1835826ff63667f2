//! Who may call: HTTP Basic or a session from AuthenticationAdmin.login.

use std::fmt::Write as _;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::super::http::{Request, Response};
use super::super::passwords;
use super::super::soap::{self, Fault, Reply};
use super::super::state::{Caller, SUPER_TENANT, Server, lock};
use crate::xml::Element;

const DENIED: &str = "Access Denied. Please login first.";

pub(super) async fn handle(
    server: &Server,
    request: &Request,
    operation: &Element,
    namespace: &str,
) -> Response {
    match operation.name.as_str() {
        "login" => {
            let text = |name: &str| operation.text_at(&[name]).unwrap_or_default();
            match check(server, text("username"), text("password")).await {
                Ok(caller) => {
                    let known = caller.is_some();
                    let mut response = soap::respond("login", namespace, Ok(soap::value(known)));
                    if let Some(caller) = caller {
                        let session = new_session(server, caller);
                        let cookie = format!("JSESSIONID={session}; Path=/; Secure; HttpOnly");
                        response.headers.push(("Set-Cookie", cookie));
                    }
                    response
                }
                Err(error) => soap::fault(&format!("{error:#}")),
            }
        }
        "logout" => {
            if let Some(session) = session(request) {
                lock(&server.sessions).remove(session);
            }
            soap::respond("logout", namespace, Ok(Reply::Accepted))
        }
        other => soap::fault(&format!(
            "The endpoint reference (EPR) for the Operation not found is {other}"
        )),
    }
}

/// The administrator behind a request.
pub(super) async fn caller(server: &Server, request: &Request) -> Result<Caller, Fault> {
    if let Some(session) = session(request)
        && let Some(caller) = lock(&server.sessions).get(session)
    {
        return Ok(caller.clone());
    }
    let Some((name, password)) = basic(request) else {
        return Err(Fault(DENIED.to_owned()));
    };
    check(server, &name, &password)
        .await?
        .ok_or_else(|| Fault(DENIED.to_owned()))
}

fn basic(request: &Request) -> Option<(String, String)> {
    let header = request.headers.get("authorization")?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn session(request: &Request) -> Option<&str> {
    let cookies = request.headers.get("cookie")?;
    cookies
        .split(';')
        .find_map(|cookie| cookie.trim().strip_prefix("JSESSIONID="))
}

fn new_session(server: &Server, caller: Caller) -> String {
    let mut sessions = lock(&server.sessions);
    let seed = format!(
        "{:?} {} {}",
        server.begun,
        sessions.len(),
        jiff::Timestamp::now().as_nanosecond()
    );
    let mut id = String::new();
    for byte in Sha256::digest(seed).iter().take(16) {
        write!(id, "{byte:02X}").ok();
    }
    sessions.insert(id.clone(), caller);
    id
}

/// The caller a name and a password belong to, when they are an administrator's.
async fn check(server: &Server, name: &str, password: &str) -> Result<Option<Caller>> {
    if name == server.data.admin_user && password == server.data.admin_password {
        return Ok(Some(Caller {
            user: name.to_owned(),
            tenant: SUPER_TENANT,
        }));
    }
    let (user, tenant) = split(server, name).await?;
    if !matches(server, tenant, &user, password).await? {
        return Ok(None);
    }
    let admin = "SELECT CAST(COUNT(*) AS CHAR(20)) FROM UM_USER_ROLE ur \
                 JOIN UM_ROLE r ON r.UM_ID = ur.UM_ROLE_ID AND r.UM_TENANT_ID = ur.UM_TENANT_ID \
                 JOIN UM_USER u ON u.UM_ID = ur.UM_USER_ID AND u.UM_TENANT_ID = ur.UM_TENANT_ID \
                 WHERE r.UM_ROLE_NAME = 'admin' AND u.UM_USER_NAME = ? AND u.UM_TENANT_ID = ?";
    let is_admin = server
        .users
        .number(admin, &[user.as_str().into(), tenant.into()])
        .await?
        .unwrap_or(0)
        > 0;
    Ok(is_admin.then_some(Caller { user, tenant }))
}

/// `admin@foo.com` is `admin` of the tenant `foo.com`, when there is such an active tenant.
async fn split(server: &Server, name: &str) -> Result<(String, i64)> {
    if let Some((user, domain)) = name.rsplit_once('@') {
        let sql =
            "SELECT CAST(UM_ID AS CHAR(20)) FROM UM_TENANT WHERE UM_DOMAIN_NAME = ? AND UM_ACTIVE = TRUE";
        if let Some(tenant) = server.users.number(sql, &[domain.into()]).await? {
            return Ok((user.to_owned(), tenant));
        }
    }
    Ok((name.to_owned(), SUPER_TENANT))
}

/// Whether the password is the one the user store has.
pub(super) async fn matches(server: &Server, tenant: i64, user: &str, password: &str) -> Result<bool> {
    let sql =
        "SELECT UM_USER_PASSWORD, UM_SALT_VALUE FROM UM_USER WHERE UM_USER_NAME = ? AND UM_TENANT_ID = ?";
    let rows = server.users.rows(sql, &[user.into(), tenant.into()]).await?;
    Ok(rows.first().is_some_and(|row| match row.as_slice() {
        [stored, salt] => *stored == passwords::hash(password, salt),
        _ => false,
    }))
}
