//! Bodies of the query protocol: forms.

use std::borrow::Cow;

use crate::service::Service;

/// The service whose version a form has, and the operation that its `Action` names.
pub fn action(form: &[u8]) -> Option<(Service, Cow<'_, str>)> {
    let (mut action, mut service) = (None, None);
    for (name, value) in form_urlencoded::parse(form) {
        match &*name {
            "Action" => action = Some(value),
            "Version" => service = Some(Service::of_version(&value)?),
            _ => {}
        }
        if let (Some(_), Some(service)) = (&action, service) {
            return action.map(|action| (service, action));
        }
    }
    None
}
