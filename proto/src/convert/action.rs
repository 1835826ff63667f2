//! Node actions.

use crate::pb::{self, action::Kind};
use crate::step::{AdminAccess, BlobRef, ConfigValue, HomeValue, NodeAction, SecretRef, XmlEdit};

use super::WireError;

impl From<&BlobRef> for pb::Blob {
    fn from(blob: &BlobRef) -> Self {
        Self {
            name: blob.name.clone(),
            sha256: blob.sha256.to_string(),
            size: blob.size,
        }
    }
}

impl TryFrom<pb::Blob> for BlobRef {
    type Error = WireError;

    fn try_from(blob: pb::Blob) -> Result<Self, WireError> {
        Ok(Self {
            name: blob.name,
            sha256: blob.sha256.parse()?,
            size: blob.size,
        })
    }
}

impl From<&AdminAccess> for pb::AdminAccess {
    fn from(admin: &AdminAccess) -> Self {
        Self {
            user: admin.user.clone(),
            password: admin.password.0.clone(),
        }
    }
}

impl From<pb::AdminAccess> for AdminAccess {
    fn from(admin: pb::AdminAccess) -> Self {
        Self {
            user: admin.user,
            password: SecretRef(admin.password),
        }
    }
}

impl From<&HomeValue> for pb::HomeValue {
    fn from(place: &HomeValue) -> Self {
        Self {
            home: place.home.clone(),
            file: place.file.clone(),
            path: place.path.clone(),
        }
    }
}

impl From<pb::HomeValue> for HomeValue {
    fn from(place: pb::HomeValue) -> Self {
        Self {
            home: place.home,
            file: place.file,
            path: place.path,
        }
    }
}

impl From<&XmlEdit> for pb::XmlEdit {
    fn from(edit: &XmlEdit) -> Self {
        let value = match &edit.value {
            ConfigValue::Literal(text) => pb::xml_edit::Value::Literal(text.clone()),
            ConfigValue::Secret(reference) => pb::xml_edit::Value::Secret(reference.0.clone()),
            ConfigValue::Carried(place) => pb::xml_edit::Value::Carried(place.into()),
            ConfigValue::Element(place) => pb::xml_edit::Value::Element(place.into()),
        };
        Self {
            path: edit.path.clone(),
            value: Some(value),
            only_if_present: edit.only_if_present,
        }
    }
}

impl TryFrom<pb::XmlEdit> for XmlEdit {
    type Error = WireError;

    fn try_from(edit: pb::XmlEdit) -> Result<Self, WireError> {
        let value = match edit.value.ok_or(WireError::Missing("edit.value"))? {
            pb::xml_edit::Value::Literal(text) => ConfigValue::Literal(text),
            pb::xml_edit::Value::Secret(reference) => ConfigValue::Secret(SecretRef(reference)),
            pb::xml_edit::Value::Carried(place) => ConfigValue::Carried(place.into()),
            pb::xml_edit::Value::Element(place) => ConfigValue::Element(place.into()),
        };
        Ok(Self {
            path: edit.path,
            value,
            only_if_present: edit.only_if_present,
        })
    }
}

impl From<&NodeAction> for pb::Action {
    fn from(action: &NodeAction) -> Self {
        let kind = match action.clone() {
            NodeAction::Inspect { homes } => Kind::Inspect(pb::Inspect { homes }),
            NodeAction::Unpack { home, distribution } => Kind::Unpack(pb::Unpack {
                home,
                distribution: Some((&distribution).into()),
            }),
            NodeAction::BackupHome { home, name } => Kind::BackupHome(pb::BackupHome { home, name }),
            NodeAction::CopyTree {
                from,
                to,
                path,
                protect,
                overwrite,
            } => Kind::CopyTree(pb::CopyTree {
                from,
                to,
                path,
                protect,
                overwrite,
            }),
            NodeAction::CarryFiles { from, to, patterns } => {
                Kind::CarryFiles(pb::CarryFiles { from, to, patterns })
            }
            NodeAction::EditXml {
                home,
                file,
                elsewhere,
                edits,
            } => Kind::EditXml(pb::EditXml {
                home,
                file,
                elsewhere,
                edits: edits.iter().map(Into::into).collect(),
            }),
            NodeAction::CompareConfig {
                old,
                old_stock,
                new,
                new_stock,
            } => Kind::CompareConfig(pb::CompareConfig {
                old,
                old_stock: old_stock.as_ref().map(Into::into),
                new,
                new_stock: new_stock.as_ref().map(Into::into),
            }),
            NodeAction::CopyTablespaces {
                data_dir,
                from,
                to,
                tables,
            } => Kind::CopyTablespaces(pb::CopyTablespaces {
                data_dir,
                from,
                to,
                tables,
            }),
            NodeAction::HoldServer { home } => Kind::HoldServer(pb::HoldServer { home }),
            NodeAction::StopServer {
                home,
                grace_secs,
                kill,
            } => Kind::StopServer(pb::StopServer {
                home,
                grace_secs,
                kill,
            }),
            NodeAction::ProveStopped { home } => Kind::ProveStopped(pb::ProveStopped { home }),
            NodeAction::StartServer { home } => Kind::StartServer(pb::StartServer { home }),
            NodeAction::ProveReady {
                home,
                timeout_secs,
                admin,
            } => Kind::ProveReady(pb::ProveReady {
                home,
                timeout_secs,
                admin: admin.as_ref().map(Into::into),
            }),
            NodeAction::ReleaseHold { home } => Kind::ReleaseHold(pb::ReleaseHold { home }),
            NodeAction::Smoke { home, admin, prefix } => Kind::Smoke(pb::Smoke {
                home,
                admin: Some((&admin).into()),
                prefix,
            }),
        };
        Self { kind: Some(kind) }
    }
}

impl TryFrom<pb::Action> for NodeAction {
    type Error = WireError;

    fn try_from(action: pb::Action) -> Result<Self, WireError> {
        Ok(match action.kind.ok_or(WireError::Missing("action.kind"))? {
            Kind::Inspect(a) => NodeAction::Inspect { homes: a.homes },
            Kind::Unpack(a) => NodeAction::Unpack {
                home: a.home,
                distribution: a
                    .distribution
                    .ok_or(WireError::Missing("unpack.distribution"))?
                    .try_into()?,
            },
            Kind::BackupHome(a) => NodeAction::BackupHome {
                home: a.home,
                name: a.name,
            },
            Kind::CopyTree(a) => NodeAction::CopyTree {
                from: a.from,
                to: a.to,
                path: a.path,
                protect: a.protect,
                overwrite: a.overwrite,
            },
            Kind::CarryFiles(a) => NodeAction::CarryFiles {
                from: a.from,
                to: a.to,
                patterns: a.patterns,
            },
            Kind::EditXml(a) => NodeAction::EditXml {
                home: a.home,
                file: a.file,
                elsewhere: a.elsewhere,
                edits: a
                    .edits
                    .into_iter()
                    .map(TryInto::try_into)
                    .collect::<Result<_, _>>()?,
            },
            Kind::CompareConfig(a) => NodeAction::CompareConfig {
                old: a.old,
                old_stock: a.old_stock.map(TryInto::try_into).transpose()?,
                new: a.new,
                new_stock: a.new_stock.map(TryInto::try_into).transpose()?,
            },
            Kind::CopyTablespaces(a) => NodeAction::CopyTablespaces {
                data_dir: a.data_dir,
                from: a.from,
                to: a.to,
                tables: a.tables,
            },
            Kind::HoldServer(a) => NodeAction::HoldServer { home: a.home },
            Kind::StopServer(a) => NodeAction::StopServer {
                home: a.home,
                grace_secs: a.grace_secs,
                kill: a.kill,
            },
            Kind::ProveStopped(a) => NodeAction::ProveStopped { home: a.home },
            Kind::StartServer(a) => NodeAction::StartServer { home: a.home },
            Kind::ProveReady(a) => NodeAction::ProveReady {
                home: a.home,
                timeout_secs: a.timeout_secs,
                admin: a.admin.map(Into::into),
            },
            Kind::ReleaseHold(a) => NodeAction::ReleaseHold { home: a.home },
            Kind::Smoke(a) => NodeAction::Smoke {
                home: a.home,
                admin: a.admin.ok_or(WireError::Missing("smoke.admin"))?.into(),
                prefix: a.prefix,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::Sha256Hex;

    fn admin() -> impl Strategy<Value = AdminAccess> {
        (".*", ".*").prop_map(|(user, password)| AdminAccess {
            user,
            password: SecretRef(password),
        })
    }

    fn blob(name: String) -> BlobRef {
        BlobRef {
            sha256: Sha256Hex::of(name.as_bytes()),
            size: 1,
            name,
        }
    }

    fn any_value() -> impl Strategy<Value = ConfigValue> {
        let place = || (".*", ".*", ".*").prop_map(|(home, file, path)| HomeValue { home, file, path });
        prop_oneof![
            ".*".prop_map(ConfigValue::Literal),
            ".*".prop_map(|text| ConfigValue::Secret(SecretRef(text))),
            place().prop_map(ConfigValue::Carried),
            place().prop_map(ConfigValue::Element),
        ]
    }

    fn any_action() -> impl Strategy<Value = NodeAction> {
        prop_oneof![
            proptest::collection::vec(".*", 0..3).prop_map(|homes| NodeAction::Inspect { homes }),
            (".*", ".*", any::<u64>()).prop_map(|(home, name, size)| NodeAction::Unpack {
                home,
                distribution: BlobRef {
                    sha256: Sha256Hex::of(name.as_bytes()),
                    name,
                    size
                },
            }),
            (".*", ".*").prop_map(|(home, name)| NodeAction::BackupHome { home, name }),
            (
                ".*",
                ".*",
                ".*",
                any::<bool>(),
                proptest::collection::vec(".*", 0..3)
            )
                .prop_map(|(from, to, path, protect, overwrite)| NodeAction::CopyTree {
                    from,
                    to,
                    path,
                    protect,
                    overwrite
                }),
            (".*", ".*", proptest::collection::vec(".*", 0..3))
                .prop_map(|(from, to, patterns)| NodeAction::CarryFiles { from, to, patterns }),
            (".*", ".*", ".*", any_value(), any::<bool>()).prop_map(
                |(home, file, path, value, only_if_present)| NodeAction::EditXml {
                    elsewhere: vec![format!("etc/{file}")],
                    home,
                    file,
                    edits: vec![XmlEdit {
                        path,
                        value,
                        only_if_present
                    }],
                }
            ),
            (".*", proptest::option::of(".*"), ".*", proptest::option::of(".*")).prop_map(
                |(old, old_stock, new, new_stock)| NodeAction::CompareConfig {
                    old,
                    old_stock: old_stock.map(blob),
                    new,
                    new_stock: new_stock.map(blob),
                }
            ),
            (".*", ".*", ".*", proptest::collection::vec(".*", 0..3)).prop_map(
                |(data_dir, from, to, tables)| NodeAction::CopyTablespaces {
                    data_dir,
                    from,
                    to,
                    tables
                }
            ),
            ".*".prop_map(|home| NodeAction::HoldServer { home }),
            (".*", any::<u32>(), any::<bool>()).prop_map(|(home, grace_secs, kill)| NodeAction::StopServer {
                home,
                grace_secs,
                kill
            }),
            ".*".prop_map(|home| NodeAction::ProveStopped { home }),
            ".*".prop_map(|home| NodeAction::StartServer { home }),
            (".*", any::<u32>(), proptest::option::of(admin())).prop_map(|(home, timeout_secs, admin)| {
                NodeAction::ProveReady {
                    home,
                    timeout_secs,
                    admin,
                }
            }),
            ".*".prop_map(|home| NodeAction::ReleaseHold { home }),
            (".*", admin(), ".*").prop_map(|(home, admin, prefix)| NodeAction::Smoke { home, admin, prefix }),
        ]
    }

    proptest! {
        #[test]
        fn action_when_sent_and_read_then_same(action in any_action()) {
            let wire = pb::Action::from(&action);
            prop_assert_eq!(NodeAction::try_from(wire).unwrap(), action);
        }
    }

    #[test]
    fn action_when_kind_is_missing_then_refused() {
        assert!(matches!(
            NodeAction::try_from(pb::Action { kind: None }),
            Err(WireError::Missing("action.kind"))
        ));
    }
}
