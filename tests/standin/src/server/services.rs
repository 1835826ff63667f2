//! The admin services under `/services/`.

mod auth;
mod server_admin;
mod tenants;
mod user_stores;
mod users;

use super::http::{Request, Response};
use super::soap::{self, Fault};
use super::state::{Caller, Server};
use crate::xml::Element;

pub(super) use users::{give_role, store_user};

const AUTHENTICATION: &str = "http://authentication.services.core.carbon.wso2.org";
const AXIS2: &str = "http://org.apache.axis2/xsd";
const USERS: &str = "http://service.ws.um.carbon.wso2.org";
const TENANTS: &str = "http://services.mgt.tenant.carbon.wso2.org";

/// A call that passed the door.
struct Call<'a> {
    server: &'a Server,
    caller: Caller,
    operation: &'a Element,
}

impl Call<'_> {
    /// The text of a parameter; an absent one is empty.
    fn text(&self, name: &str) -> &str {
        self.operation.text_at(&[name]).unwrap_or_default()
    }

    fn unknown(&self) -> Fault {
        let name = &self.operation.name;
        Fault(format!(
            "The endpoint reference (EPR) for the Operation not found is {name}"
        ))
    }
}

pub(super) async fn handle(server: &Server, service: &str, request: &Request) -> Response {
    let Some(namespace) = namespace(server, service) else {
        return soap::fault(&format!(
            "The service cannot be found for the endpoint reference (EPR) /services/{service}"
        ));
    };
    if request.method != "POST" {
        return Response::empty(405);
    }
    let operation = match soap::operation(&request.body) {
        Ok(operation) => operation,
        Err(error) => return soap::fault(&format!("{error:#}")),
    };
    if operation.namespace != namespace {
        let found = &operation.namespace;
        return soap::fault(&format!("namespace mismatch require {namespace} found {found}"));
    }
    if service == "AuthenticationAdmin" {
        return auth::handle(server, request, &operation, namespace).await;
    }
    let caller = match auth::caller(server, request).await {
        Ok(caller) => caller,
        Err(Fault(text)) => return soap::fault(&text),
    };
    let call = Call {
        server,
        caller,
        operation: &operation,
    };
    let result = match service {
        "ServerAdmin" => server_admin::handle(&call).await,
        "RemoteUserStoreManagerService" => users::handle(&call).await,
        "TenantMgtAdminService" => tenants::handle(&call).await,
        _ => user_stores::handle(&call).await,
    };
    soap::respond(&operation.name, namespace, result)
}

/// The namespace a service's requests are in, if this kernel has the service.
fn namespace(server: &Server, service: &str) -> Option<&'static str> {
    Some(match service {
        "AuthenticationAdmin" => AUTHENTICATION,
        "ServerAdmin" => AXIS2,
        "RemoteUserStoreManagerService" => USERS,
        "TenantMgtAdminService" => TENANTS,
        "UserStoreConfigAdminService" if server.is_new() => AXIS2,
        _ => return None,
    })
}
