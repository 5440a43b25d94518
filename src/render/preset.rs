//! The bodies that receivers know, and what can be said about them.

use crate::domain::EventKind;

/// A body that receivers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// That of Tyk.
    Default,
    /// `CloudEvents` 1.0, with the default body as its data.
    CloudEvents,
    /// What `VaulTLS` sends about its own certificates.
    Vaultls,
    /// What Infisical sends about its own certificates.
    Infisical,
    /// Alerts of Prometheus Alertmanager.
    Alertmanager,
    /// A message for Slack; Mattermost, Rocket.Chat and Discord take it too.
    Slack,
    /// A card for Microsoft Teams.
    Teams,
    /// An event for `PagerDuty`.
    PagerDuty,
    /// A message for Discord.
    Discord,
    /// A message for Google Chat.
    GoogleChat,
    /// A message for ntfy.
    Ntfy,
    /// A message of a Telegram bot.
    Telegram,
    /// An event for Datadog.
    Datadog,
}

/// A key of `format_options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatOption {
    /// Its name.
    pub key: &'static str,
    /// What its value is.
    pub kind: OptionKind,
    /// Whether the receiver cannot do without.
    pub required: bool,
}

/// What the value of an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// A string, in which `${NAME}` is an environment variable.
    Text,
    /// True or false.
    Flag,
    /// An object of strings.
    Texts,
    /// A list of strings.
    List,
}

impl Preset {
    /// Every preset by its word in configurations.
    pub const WORDS: [(&'static str, Self); 13] = [
        ("default", Self::Default),
        ("cloudevents", Self::CloudEvents),
        ("vaultls", Self::Vaultls),
        ("infisical", Self::Infisical),
        ("alertmanager", Self::Alertmanager),
        ("slack", Self::Slack),
        ("teams", Self::Teams),
        ("pagerduty", Self::PagerDuty),
        ("discord", Self::Discord),
        ("google-chat", Self::GoogleChat),
        ("ntfy", Self::Ntfy),
        ("telegram", Self::Telegram),
        ("datadog", Self::Datadog),
    ];

    /// The keys that its `format_options` may have.
    pub const fn options(self) -> &'static [FormatOption] {
        const VIEW_URL: FormatOption = text("view_url");
        match self {
            Self::Default | Self::Discord => &[],
            Self::CloudEvents => const { &[text("source")] },
            Self::Vaultls => const { &[text("tenant_id"), text("webhook_id"), option("metadata", OptionKind::Texts)] },
            Self::Infisical => {
                const { &[text("application_id"), text("alert_id"), text("alert_name"), text("profile_name"), VIEW_URL] }
            }
            Self::Alertmanager => const { &[option("labels", OptionKind::Texts), VIEW_URL] },
            Self::Slack => const { &[text("channel"), text("username"), VIEW_URL, option("blocks", OptionKind::Flag)] },
            Self::Teams => &[VIEW_URL],
            Self::PagerDuty => const { &[required("routing_key"), text("source"), text("client"), VIEW_URL] },
            Self::GoogleChat => const { &[text("thread_key")] },
            Self::Ntfy => const { &[required("topic")] },
            Self::Telegram => const { &[required("chat_id")] },
            Self::Datadog => const { &[option("tags", OptionKind::List)] },
        }
    }

    /// Whether its receiver keeps alerts open until it is told that they are over.
    pub const fn resolves(self) -> bool {
        matches!(self, Self::Alertmanager | Self::PagerDuty)
    }

    /// Whether it has a place for events of this kind. Those that others have made for their own certificates know the end
    /// and the renewal of one; a warning of something else would be taken for one of these. `VaulTLS` has alerts about
    /// more than a certificate, too.
    pub const fn carries(self, kind: EventKind) -> bool {
        let is_of_one = matches!(
            kind,
            EventKind::CertificateExpiringSoon
                | EventKind::CertificateExpired
                | EventKind::CertificateResolved
                | EventKind::CertificateRenewed
                | EventKind::WebhookTest
        );
        match self {
            Self::Vaultls => is_of_one || !kind.is_of_certificate(),
            Self::Infisical => is_of_one,
            _ => true,
        }
    }

    /// Whether its receiver forgets alerts that it does not hear of again.
    pub const fn refreshes(self) -> bool {
        matches!(self, Self::Alertmanager)
    }

    /// Whether one body can tell of several events as if they were one. Receivers that keep alerts open hear of each, and
    /// the bodies of others know one certificate.
    pub const fn digests(self) -> bool {
        !matches!(self, Self::Alertmanager | Self::PagerDuty | Self::Vaultls | Self::Infisical)
    }

    /// Whether one body can tell of several events.
    pub const fn batches(self) -> bool {
        matches!(self, Self::Default | Self::CloudEvents | Self::Infisical | Self::Alertmanager)
    }

    /// The template of one event's part of a body.
    pub(super) const fn part(self) -> &'static str {
        match self {
            Self::Default | Self::CloudEvents => include_str!("../../templates/default_webhook.json"),
            Self::Vaultls => include_str!("../../templates/vaultls.json"),
            Self::Infisical => include_str!("../../templates/infisical_certificate.json"),
            Self::Alertmanager => include_str!("../../templates/alertmanager.json"),
            Self::Slack => include_str!("../../templates/slack.json"),
            Self::Teams => include_str!("../../templates/teams.json"),
            Self::PagerDuty => include_str!("../../templates/pagerduty.json"),
            Self::Discord => include_str!("../../templates/discord.json"),
            Self::GoogleChat => include_str!("../../templates/google-chat.json"),
            Self::Ntfy => include_str!("../../templates/ntfy.json"),
            Self::Telegram => include_str!("../../templates/telegram.json"),
            Self::Datadog => include_str!("../../templates/datadog.json"),
        }
    }

    /// The template of what stands around such parts.
    pub(super) const fn frame(self) -> Option<&'static str> {
        match self {
            Self::CloudEvents => Some(include_str!("../../templates/cloudevents.json")),
            Self::Infisical => Some(include_str!("../../templates/infisical.json")),
            _ => None,
        }
    }
}

const fn option(key: &'static str, kind: OptionKind) -> FormatOption {
    FormatOption { key, kind, required: false }
}

const fn text(key: &'static str) -> FormatOption {
    option(key, OptionKind::Text)
}

const fn required(key: &'static str) -> FormatOption {
    FormatOption { key, kind: OptionKind::Text, required: true }
}
