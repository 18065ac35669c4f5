//! The configuration as it is written. Nothing here is checked beyond its shape.
//!
//! Every field is optional, so that one that was wrong can be left out and the rest still be checked.
//! The doc comments are the reference page: write them for the person who edits the file.

use std::collections::BTreeMap;

use nexus_core::policy::Conduct;
use serde::Deserialize;

use crate::{
    field::{Field, Kind, Preset},
    plain::Plain,
};

const PORT: Kind = Kind::Whole { min: 0, max: 65_535 };
const DURATION_MS: Kind = Kind::Whole { min: 1, max: 86_400_000 };
const LIMIT: Kind = Kind::Whole { min: 1, max: 1_000_000_000 };
const TOKENS: Kind = Kind::Whole { min: 0, max: 1_000_000_000_000 };
/// What is counted of a request, in the words of prices.
pub(crate) const QUANTITIES: &[&str] = &[
    "input",
    "cache_read",
    "cache_write_5m",
    "output",
    "reasoning",
    "audio_in",
    "audio_out",
    "cache_write_1h",
    "image_in",
    "image_out",
    "audio_cache_read",
    "searches",
    "tool_calls",
    "images",
    "audio_ms",
    "video_ms",
    "characters",
];
pub(crate) const TIERS: &[&str] = &["standard", "batch", "flex", "priority"];
pub(crate) const PRICE_KINDS: &[&str] = &["absolute", "relative", "ceiling"];
pub(crate) const MEASURES: &[&str] = &["requests", "tokens", "concurrent", "cost_nano_usd"];
pub(crate) const MODES: &[&str] = &["hard", "soft", "shadow", "cut"];
pub(crate) const WHEN_ALONE: &[&str] = &["node", "refuse", "allow"];
const AMOUNT: Kind = Kind::Whole { min: 0, max: 100_000_000_000_000_000 };
/// The largest weight.
pub const WEIGHT_MAX: u64 = 1_000_000;

/// A field's name as it is written in a file, also where it is a word of the language's own.
const fn plain(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

/// Makes a struct of optional fields and, from the same words, the table of its fields.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:ident {
            $($(#[doc = $doc:literal])+ $name:ident: $type:ty = $kind:expr, $preset:expr;)+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Default, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $section {
            $($(#[doc = $doc])+ pub $name: Option<$type>,)+
        }

        impl $section {
            /// What is known about each field, in the order of the reference page.
            pub const FIELDS: &'static [Field] = &[
                $(Field { name: plain(stringify!($name)), kind: $kind, preset: $preset, doc: concat!($($doc),+) },)+
            ];
        }
    };
}

section! {
    /// The whole file.
    Raw {
        /// The API's listener.
        server: Server = Kind::Section(Server::FIELDS), Preset::Absent("the defaults below");
        /// How long the parts of an exchange with a provider may take.
        timeouts: Timeouts = Kind::Section(Timeouts::FIELDS), Preset::Absent("the defaults below");
        /// Where keys, teams, routes and usage are kept.
        database: Database = Kind::Section(Database::FIELDS), Preset::Absent("the defaults below");
        /// The folder for everything the gateway keeps itself: the embedded database, and the usage journal in `journal`.
        data_dir: String = Kind::Text, Preset::Text("nexus-data");
        /// The listener for Prometheus, path `/metrics`.
        monitoring: Monitoring = Kind::Section(Monitoring::FIELDS), Preset::Absent("the defaults below");
        /// This node among the others of its installation.
        node: Node = Kind::Section(Node::FIELDS), Preset::Absent("the defaults below");
        /// What is logged, and how.
        logging: Logging = Kind::Section(Logging::FIELDS), Preset::Absent("the defaults below");
        /// Signing in at the console.
        console: Console = Kind::Section(Console::FIELDS), Preset::Absent("passwords only");
        /// What the gateway's own host is at AWS.
        aws: Aws = Kind::Section(Aws::FIELDS), Preset::Absent("no provider acts as the host");
        /// What the gateway's own host is at Azure.
        azure: Azure = Kind::Section(Azure::FIELDS), Preset::Absent("no provider acts as the host");
        /// What the gateway's own host is at Google Cloud.
        google: Google = Kind::Section(Google::FIELDS), Preset::Absent("no provider acts as the host");
        /// The name of the provider that takes requests which name no model.
        default_provider: String = Kind::Text, Preset::Absent("such requests are refused");
        /// What becomes of ids of files, batches and the like that nobody has made through the gateway: `refuse`, as if there were no such thing, or `serve`, by the `default_provider`. Serve them only where everybody may see all that its account holds from before.
        unowned_resources: String = Kind::Choice(&["refuse", "serve"]), Preset::Text("refuse");
        /// Parts of OpenAI's API that the `default_provider` is to be asked for though the gateway cannot keep teams apart in them or book what they cost: `organization`, its organisations and projects, for admin keys that may change the whole installation; `realtime`, sessions whose sound goes past the gateway. `docs/openai-coverage.md` says what each means.
        also_serve: Vec<String> = Kind::Texts, Preset::Absent("neither");
        /// How many days the gateway keeps what it keeps itself where a provider has no place for it: responses, files, batches and their like. 0: it keeps nothing, and whatever needs that is refused.
        keep_days: u32 = Kind::Whole { min: 0, max: 3_650 }, Preset::Whole(30);
        /// The providers and their models. They are put into the database at start, each time: what stands here holds, and what does not stand here, such as a `weight` that is left away or whether something is switched off, stays as the database has it.
        providers: Vec<Provider> = Kind::List(Provider::FIELDS), Preset::Absent("none");
        /// What is set for aliases beside their models. They are put into the database at start, as the providers are; each holds as it stands here, and what is left away is off.
        rules: Vec<Rule> = Kind::List(Rule::FIELDS), Preset::Absent("none");
        /// What models cost. What is not in force already is set at start and holds from then on; a price that is taken away here stays as the database has it.
        prices: Vec<Price> = Kind::List(Price::FIELDS), Preset::Absent("none");
        /// Who may use how much. They are put into the database at start, known by their names; what one is for cannot become another.
        quotas: Vec<Quota> = Kind::List(Quota::FIELDS), Preset::Absent("none");
    }
}

section! {
    /// The API's listener.
    Server {
        /// The address to listen on, without a port. `0.0.0.0` or `::` listens on every one.
        bind: String = Kind::Text, Preset::Text("127.0.0.1");
        /// The port to listen on; 0 takes a free one.
        port: u16 = PORT, Preset::Whole(8080);
        /// How many threads serve.
        workers: u16 = Kind::Whole { min: 1, max: 1024 }, Preset::Absent("one for each core");
        /// The largest request body that is taken, in bytes.
        max_body_bytes: u64 = Kind::Whole { min: 1024, max: 1 << 30 }, Preset::Whole(32 << 20);
        /// The largest upload that is taken, in bytes: of files, pictures and sound, which are passed on piece by piece and not held.
        max_upload_bytes: u64 = Kind::Whole { min: 1024, max: 1 << 40 }, Preset::Whole(512 << 20);
        /// How long streams may go on after the signal to stop, in seconds.
        drain_seconds: u64 = Kind::Whole { min: 0, max: 86_400 }, Preset::Whole(300);
        /// How long before that clients and load balancers have to go elsewhere by themselves, in seconds: meanwhile `/readyz` says 503, each answer says `connection: close`, and nothing is refused. It ends when no connection is open.
        leave_seconds: u64 = Kind::Whole { min: 0, max: 3_600 }, Preset::Whole(5);
        /// How many bad keys a minute an address may show before it has to wait. Keys that were good before are not held up.
        bad_keys_per_minute: u32 = Kind::Whole { min: 1, max: 1_000_000 }, Preset::Whole(60);
        /// Networks in which proxies of yours stand, such as `10.0.0.0/8`. Only what they say of where a request comes from is believed: for address lists, for bad keys and in the audit trail.
        trusted_proxies: Vec<String> = Kind::Texts, Preset::Absent("nobody is believed; the connection's address counts");
        /// The header in which those proxies write the address. They must append to it themselves; the other one is not read.
        forwarded_header: String = Kind::Choice(&["x-forwarded-for", "forwarded"]), Preset::Text("x-forwarded-for");
        /// The names applications and people call the gateway by, such as `ai.example.com` or `*.example.com`; `*` is every name. A request whose `Host` is another one is refused with 421; addresses and `localhost` are always taken. This keeps a page in a browser from speaking to the gateway under a name of its own.
        allowed_hosts: Vec<String> = Kind::Texts, Preset::Absent("every name; on a loopback address without `trusted_proxies` only names nobody else can own, such as `localhost`");
        /// Origins whose pages may call what applications call from a browser, such as `https://app.example.com`; `*` is every one. A key that a page bears is known to whoever opens the page: let it be a session key.
        cors_origins: Vec<String> = Kind::Texts, Preset::Absent("no page of another origin may");
        /// An address with a port, such as `127.0.0.1:8081` or `[::1]:8081`, on which the administration and the console listen instead. Where it is set the API's own listener serves applications only.
        admin_bind: String = Kind::Text, Preset::Absent("the API's own listener");
        /// How many connections may be open on a listener at once; more wait until others end.
        connections: u32 = Kind::Whole { min: 1, max: 1_000_000 }, Preset::Whole(25_000);
        /// How many of them one address may have; of IPv6, one network of 64 bits. One more is closed with 503. Proxies in `trusted_proxies` may have any number.
        connections_per_address: u32 = Kind::Whole { min: 1, max: 1_000_000 }, Preset::Whole(10_000);
        /// How long a client may leave unread what was sent to it before its connection is cut, in seconds.
        unread_seconds: u64 = Kind::Whole { min: 1, max: 86_400 }, Preset::Whole(60);
    }
}

section! {
    /// How long the parts of an exchange with a provider may take.
    Timeouts {
        /// For name resolution, TCP and TLS together, in milliseconds.
        connect_ms: u64 = DURATION_MS, Preset::Whole(3_000);
        /// From the request's last byte to the head of the answer, in milliseconds.
        first_byte_ms: u64 = DURATION_MS, Preset::Whole(300_000);
        /// Between two pieces of the answer, in milliseconds.
        between_chunks_ms: u64 = DURATION_MS, Preset::Whole(60_000);
        /// For the whole exchange, in milliseconds; `--timeout` sets it in seconds.
        whole_ms: u64 = DURATION_MS, Preset::Whole(600_000);
        /// After how long a silence a stream gets a comment that keeps its connection open, in milliseconds.
        heartbeat_ms: u64 = DURATION_MS, Preset::Whole(15_000);
    }
}

section! {
    /// Where keys, teams, routes and usage are kept.
    Database {
        /// What happens while the usage journal cannot be written or synced, as on a full disk: `degrade` serves on and counts what could not be booked, `refuse` answers new calls, and those whose answer could not be booked, with status 503 until the disk takes records again.
        when_journal_fails: String = Kind::Choice(&["degrade", "refuse"]), Preset::Text("degrade");
        /// `sqlite://path` or `postgres://user:password@host/name`; also the variable `DATABASE_URL`.
        url: Plain = Kind::SecretUrl, Preset::Absent("`sqlite://nexus-data/nexus.db`, with `data_dir` as its folder");
    }
}

section! {
    /// The listener for Prometheus.
    Monitoring {
        /// The address to listen on, without a port.
        bind: String = Kind::Text, Preset::Text("127.0.0.1");
        /// The port to listen on; 0 takes a free one. Also the variable `MONITORING_PORT`.
        port: u16 = PORT, Preset::Whole(9321);
    }
}

section! {
    /// This node among the others of its installation.
    Node {
        /// What people call it in the list of nodes.
        name: String = Kind::Text, Preset::Absent("the host's name");
        /// Where it stands, such as a zone of the cloud; only shown.
        zone: String = Kind::Text, Preset::Absent("none");
        /// What happens to a call for which too little of a hard quota is leased while what nodes share is out of reach: `refuse` refuses it, `allow` lets it through and counts it.
        when_alone: String = Kind::Choice(&["refuse", "allow"]), Preset::Text("refuse");
        /// How often the database is asked whether keys, routes, quotas or anything else that decides has changed. PostgreSQL tells at once as well; then this is how long a change takes that it could not tell.
        look_ms: u64 = Kind::Whole { min: 50, max: 60_000 }, Preset::Whole(250);
    }
}

section! {
    /// What is logged, and how.
    Logging {
        /// A level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or directives such as `info,nexus_engine=debug`.
        level: String = Kind::Text, Preset::Text("info");
        /// `json`, `text`, or `auto`: text on a terminal, else JSON.
        format: String = Kind::Choice(&["auto", "json", "text"]), Preset::Text("auto");
    }
}

section! {
    /// Signing in at the console.
    Console {
        /// An identity provider that speaks OpenID Connect. It must know `https://<host>/admin/v1/session/oidc/callback` as a redirect URI.
        oidc: Oidc = Kind::Section(Oidc::FIELDS), Preset::Absent("passwords only");
    }
}

section! {
    /// An identity provider that speaks OpenID Connect.
    Oidc {
        /// Its issuer, exactly as it names itself, such as `https://id.example.com/realms/main`.
        issuer: String = Kind::Text, Preset::Absent("passwords only");
        /// What it knows this gateway as.
        client_id: String = Kind::Text, Preset::Absent("required beside `issuer`");
        /// The secret it gave out for it, best as `${VARIABLE}`, which is taken from the environment.
        client_secret: Plain = Kind::Secret, Preset::Absent("none is shown");
        /// What is asked for, with spaces in between; `openid` and `email` are needed.
        scopes: String = Kind::Text, Preset::Text("openid email profile");
        /// The claim that lists somebody's groups.
        groups_claim: String = Kind::Text, Preset::Text("groups");
        /// Whether it may lie inside a private network.
        allow_private_network: bool = Kind::Flag, Preset::Flag(false);
        /// What people become when they sign in for the first time. The first entry that fits counts; whom none fits is refused.
        role_mapping: Vec<RoleMapping> = Kind::List(RoleMapping::FIELDS), Preset::Absent("only users that are there sign in");
    }
}

section! {
    /// What the people of one group become.
    RoleMapping {
        /// The group, as the identity provider writes it; `*` stands for everybody.
        group: String = Kind::Text, Preset::Required;
        /// What they are in the administration.
        role: String = Kind::Choice(&["viewer", "auditor", "team_admin", "platform_admin"]), Preset::Required;
        /// The name of the team they are it for.
        team: String = Kind::Text, Preset::Absent("the platform");
    }
}

section! {
    /// What the gateway's own host is at AWS.
    Aws {
        /// From where providers may take access keys of the host's own, with spaces in between: `profile`, `environment`, `imds`, `irsa`, `ecs`. A provider does so only if its option `credentials` names one of these; whoever may set a provider's options then acts as the host.
        host_credentials: String = Kind::Text, Preset::Absent("nowhere: no provider acts as the host");
    }
}

section! {
    /// What the gateway's own host is at Azure.
    Azure {
        /// From where providers may take tokens of the host's own identity, with spaces in between: `imds` (a machine's managed identity), `app_service` (an app's), `workload` (a pod's, by workload identity federation). A provider does so only if its option `credentials` names one of these; whoever may set a provider's options then acts as the host.
        host_credentials: String = Kind::Text, Preset::Absent("nowhere: no provider acts as the host");
    }
}

section! {
    /// What the gateway's own host is at Google Cloud.
    Google {
        /// From where providers may take tokens of the host's own identity, with spaces in between: `metadata` (the metadata server of a machine, a pod or Cloud Run), `external_account` (workload identity federation, as the file says that `GOOGLE_APPLICATION_CREDENTIALS` names: with a token in a file, at an address, or of AWS, whose keys then come from the first of `aws.host_credentials`). A provider does so only if its option `credentials` names one of these; whoever may set a provider's options then acts as the host.
        host_credentials: String = Kind::Text, Preset::Absent("nowhere: no provider acts as the host");
    }
}

section! {
    /// One account at one vendor.
    Provider {
        /// Its name, unique, as metrics and usage show it.
        name: String = Kind::Text, Preset::Required;
        /// The vendor: `openai`, `anthropic`, `deepseek`, ..., or `custom` for anything that speaks OpenAI.
        kind: String = Kind::Text, Preset::Required;
        /// The base URL, such as `https://api.example.com/v1`; `${VARIABLE}` is taken from the environment, and `{region}` or another option's name in braces from the options.
        endpoint: String = Kind::Text, Preset::Absent("as it is; of a new one, the vendor's own");
        /// What the kind takes beside these, such as `region` or `api_version`; `nexus provider kinds --output json` lists them. No secret belongs here.
        options: BTreeMap<String, String> = Kind::Named, Preset::Absent("as they are; of a new one, none");
        /// The key, best as `${VARIABLE}`, which is taken from the environment. An `endpoint` on another server needs it: the keys that are there are not sent to a server they were not given for.
        api_key: Plain = Kind::Secret, Preset::Absent("as it is; of a new one, none is sent");
        /// Its share among the providers of one alias; 0 takes requests only when no other can.
        weight: u32 = Kind::Whole { min: 0, max: WEIGHT_MAX }, Preset::Absent("as it is; of a new one, 100");
        /// Requests a minute over all its models.
        rate_limit: u32 = LIMIT, Preset::Absent("as it is; of a new one, no limit");
        /// Tokens a minute over all its models, of prompts and answers together.
        token_limit: u32 = LIMIT, Preset::Absent("as it is; of a new one, no limit");
        /// Requests at once over all its models. What is more waits for a moment, each team in turn.
        max_concurrent: u32 = LIMIT, Preset::Absent("as it is; of a new one, no limit");
        /// Whether addresses inside private networks may be connected to.
        allow_private_network: bool = Kind::Flag, Preset::Absent("as it is; of a new one, `false`");
        /// The models to be had there.
        models: Vec<Model> = Kind::List(Model::FIELDS), Preset::Absent("none");
    }
}

section! {
    /// One model at one provider.
    Model {
        /// The name applications use; `*` takes every name no other alias takes.
        alias: String = Kind::Text, Preset::Required;
        /// The provider's name of the model; `*` hands on the name that was asked for.
        real_name: String = Kind::Text, Preset::Absent("the alias");
        /// Its share among the models of one alias; 0 takes requests only when no other can.
        weight: u32 = Kind::Whole { min: 0, max: WEIGHT_MAX }, Preset::Absent("as it is; of a new one, the provider's");
        /// Models of a lower tier go before those of a higher, as long as one of them can.
        tier: u32 = Kind::Whole { min: 0, max: 1000 }, Preset::Absent("as it is; of a new one, 0");
        /// What it can do, and which requests it is there for; all of it, where anything is said.
        fit: Fit = Kind::Section(Fit::FIELDS), Preset::Absent("as it is; of a new one, for every request");
        /// Requests a minute to this model.
        rate_limit: u32 = LIMIT, Preset::Absent("as it is; of a new one, no limit");
        /// Tokens a minute, of prompts and answers together.
        token_limit: u32 = LIMIT, Preset::Absent("as it is; of a new one, no limit");
        /// Requests at once.
        max_concurrent: u32 = LIMIT, Preset::Absent("as it is; of a new one, no limit");
        /// What the provider's price is multiplied by, at most six decimals.
        cost_multiplier: String = Kind::Decimal, Preset::Absent("as it is; of a new one, 1");
        /// The provider's regions, each with its share of the weight; each stands for the option `region`.
        region_weights: BTreeMap<String, u32> = Kind::Shares, Preset::Absent("as it is; of a new one, one region, the endpoint's");
        /// What the model can do, where that is other than what is known of it by its name.
        capabilities: Capabilities = Kind::Section(Capabilities::FIELDS), Preset::Absent("as they are; of a new one, what is known of the model");
    }
}

section! {
    /// What a model can do.
    Capabilities {
        /// The vendor's name of the model it is like, for a name that does not tell: a tuned model's, or the ARN of an inference profile.
        like: String = Kind::Text, Preset::Absent("known by its own name");
        /// The most tokens of an answer, thinking included: more is never asked for.
        max_output_tokens: u64 = Kind::Whole { min: 1, max: 1 << 40 }, Preset::Absent("as it is known");
        /// Whether it takes `temperature`, `top_p` and their kin; where not, they are left out.
        sampling: bool = Kind::Flag, Preset::Absent("as it is known");
        /// How it is told how much to think: not at all (`none`), by a number of tokens (`budget`), or by a word (`effort`).
        thinking: String = Kind::Choice(&["none", "budget", "effort"]), Preset::Absent("as it is known");
        /// Whether it binds an answer to a schema by itself; where not, a tool that must be called takes its place.
        structured_output: bool = Kind::Flag, Preset::Absent("as it is known");
        /// All it takes in, of `text`, `image`, `audio`, `video` and `file`; a request with anything else is not offered to it.
        input_modalities: Vec<String> = Kind::Texts, Preset::Absent("as it is known; of a model nobody has heard of, everything");
        /// All it gives out, of the same; a request that wants anything else is not offered to it.
        output_modalities: Vec<String> = Kind::Texts, Preset::Absent("as it is known; of a model nobody has heard of, everything");
    }
}

section! {
    /// What a model can do, and which requests it is there for. What is left away sets no bound.
    Fit {
        /// All it can do beside text, of `tools`, `vision`, `audio` and `json_schema`; a request that needs more is not offered to it.
        abilities: Vec<String> = Kind::Texts, Preset::Absent("everything");
        /// How many tokens of prompt and answer together it takes.
        context_tokens: u64 = TOKENS, Preset::Absent("any number");
        /// Only prompts of so many tokens or more.
        min_input_tokens: u64 = TOKENS, Preset::Absent("any number");
        /// Only prompts of so many tokens or fewer.
        max_input_tokens: u64 = TOKENS, Preset::Absent("any number");
        /// Only for teams of these names.
        teams: Vec<String> = Kind::Texts, Preset::Absent("all");
        /// Only for requests one of whose `x-nexus-tags` is among these.
        tags: Vec<String> = Kind::Texts, Preset::Absent("all");
        /// Only for requests that bear each of these headers with this value; names begin with `x-`.
        headers: BTreeMap<String, String> = Kind::Named, Preset::Absent("all");
    }
}

section! {
    /// What is set for an alias beside its models.
    Rule {
        /// The alias; `*` stands for every name no other alias takes.
        alias: String = Kind::Text, Preset::Required;
        /// The name of the team whose rule it is. It goes before everybody's.
        team: String = Kind::Text, Preset::Absent("everybody's");
        /// The alias it is only another name of.
        stands_for: String = Kind::Text, Preset::Absent("it is no other's name");
        /// How one of its models is chosen.
        policy: String = Kind::Choice(&["weighted", "least_latency", "least_busy", "cheapest", "priority"]), Preset::Text("weighted");
        /// Whether requests that begin alike go to the same model, whose prompt cache knows the beginning.
        affinity: bool = Kind::Flag, Preset::Flag(false);
        /// The aliases that are asked instead.
        fallbacks: Fallbacks = Kind::Section(Fallbacks::FIELDS), Preset::Absent("none");
        /// How long an answer is kept for requests that are the same, in seconds.
        cache_ttl_s: u32 = Kind::Whole { min: 1, max: Conduct::CACHE_TTL_MAX_S as u64 }, Preset::Absent("no answer is kept");
        /// Of a hundred requests, how many may get a second attempt beside a slow first one.
        hedge_percent: u8 = Kind::Whole { min: 1, max: Conduct::HEDGE_PERCENT_MAX as u64 }, Preset::Absent("none");
        /// Whether another model goes on where a streamed answer breaks off.
        r#continue: bool = Kind::Flag, Preset::Flag(false);
    }
}

section! {
    /// The aliases that are asked instead, in order, by cause.
    Fallbacks {
        /// When the prompt fits no model.
        context_window: Vec<String> = Kind::Texts, Preset::Absent("none");
        /// When the provider's content policy refused the prompt.
        content_policy: Vec<String> = Kind::Texts, Preset::Absent("none");
        /// When no model could answer, for whatever reason.
        failure: Vec<String> = Kind::Texts, Preset::Absent("none");
        /// When the caller's money is used up.
        budget: Vec<String> = Kind::Texts, Preset::Absent("none");
    }
}

section! {
    /// What a model costs.
    Price {
        /// The provider's name of the model; `*` is every model.
        real_name: String = Kind::Text, Preset::Required;
        /// The name of the provider it is had from.
        provider: String = Kind::Text, Preset::Absent("wherever the model is had");
        /// The vendor's region it holds in.
        region: String = Kind::Text, Preset::Absent("all of them");
        /// `absolute` is the price; `relative` has a `multiplier` alone, for the price that would hold without it; `ceiling` is what usage is booked at where nobody has said a price.
        kind: String = Kind::Choice(PRICE_KINDS), Preset::Text("absolute");
        /// What a million units of each quantity cost.
        rates: Vec<Rate> = Kind::List(Rate::FIELDS), Preset::Absent("none");
        /// For each answered request, in nano-USD.
        per_request_nano_usd: u64 = AMOUNT, Preset::Whole(0);
        /// Must be said of a price without rates: nothing is never free by accident.
        is_free: bool = Kind::Flag, Preset::Flag(false);
        /// What was negotiated, at most six decimals.
        multiplier: String = Kind::Decimal, Preset::Absent("1");
    }
}

section! {
    /// What a million units of a quantity cost.
    Rate {
        /// What is counted; the quantities never overlap.
        quantity: String = Kind::Choice(QUANTITIES), Preset::Required;
        /// The tier of service it is for; `standard` holds for tiers without a rate of their own.
        tier: String = Kind::Choice(TIERS), Preset::Text("standard");
        /// The rate holds for requests that send at least so many tokens, those from the cache among them.
        from_tokens: u32 = Kind::Whole { min: 0, max: 4_294_967_295 }, Preset::Whole(0);
        /// In nano-USD.
        nano_usd_per_million: u64 = AMOUNT, Preset::Required;
    }
}

section! {
    /// How much somebody may use in some time.
    Quota {
        /// Its name, unique.
        name: String = Kind::Text, Preset::Required;
        /// For whom or what it is.
        subject: String = Kind::Choice(&["platform", "team", "key", "provider", "model", "user", "tag"]), Preset::Required;
        /// The name of a team or a provider, the id of a key, or a pattern of aliases, users or tags.
        subject_value: String = Kind::Text, Preset::Absent("the platform has none");
        /// What is counted.
        measure: String = Kind::Choice(MEASURES), Preset::Required;
        /// The time it is for: aligned with the calendar, rolling, or all of it.
        window: String = Kind::Choice(&["minute", "hour", "day", "week", "month", "rolling", "total"]), Preset::Required;
        /// Where the calendar's days begin, in minutes east of UTC.
        utc_offset_minutes: i32 = Kind::Signed { min: -720, max: 840 }, Preset::Absent("0");
        /// In place of an offset: the place whose calendar it goes by, such as `Europe/Berlin`.
        time_zone: String = Kind::Text, Preset::Absent("UTC");
        /// How long a rolling window is.
        rolling_seconds: u32 = Kind::Whole { min: 60, max: 31_622_400 }, Preset::Absent("required for a rolling window");
        /// How much of it.
        limit: u64 = Kind::Whole { min: 0, max: 9_223_372_036_854_775_807 }, Preset::Required;
        /// What happens at the limit: `hard` refuses, `soft` tells, `shadow` only counts, `cut` refuses and ends streams.
        mode: String = Kind::Choice(MODES), Preset::Text("hard");
        /// What becomes of a call while a node has too little of it and nobody can be asked for more; `node`: what `node.when_alone` says.
        when_alone: String = Kind::Choice(WHEN_ALONE), Preset::Text("node");
    }
}
