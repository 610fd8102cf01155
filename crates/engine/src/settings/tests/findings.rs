//! Every mistake there is a sentence for, with the line it names.

use super::*;
use proptest::prelude::*;

/// Mistakes a line long: what is written, and what is said about it.
const ONE_LINERS: &[(&str, &str)] = &[
    // Keys, sections, types, names.
    ("server.lsiten = \"127.0.0.1:1\"", "unknown key `lsiten` in [server]; did you mean `listen`?"),
    ("server.port = 6380", "unknown key `port` in [server]"),
    ("[sever]\nlisten = \"127.0.0.1:1\"", "unknown section [sever]; did you mean [server]?"),
    ("[[route]]\nkeys = \"a\"", "unknown section [route]; did you mean [[routes]]?"),
    ("listen = \"127.0.0.1:1\"", "unknown key `listen` in the top of the file"),
    ("server.threads = \"four\"", "`threads` must be a whole number, not a string"),
    ("server.threads = 1.5", "`threads` must be a whole number, not a fraction"),
    ("redis.timeout = 200", "`timeout` must be a duration in quotes, not a whole number"),
    ("local.capacity = 0", "`capacity` must be a size in quotes, not a whole number"),
    ("server = 1", "`server` must be a table, not a whole number"),
    ("redis.nodes = \"redis://h\"", "`nodes` must be a list, not a string"),
    ("redis.nodes = [1]", "`nodes[0]` must be a string, not a whole number"),
    ("log.format = \"jsno\"", "unknown format \"jsno\"; did you mean \"json\"?"),
    ("log.level = \"loud\"", "unknown level \"loud\""),
    // Bounds.
    ("server.threads = 257", "`threads` must be at most 256; 257 is too much"),
    ("server.threads = -1", "`threads` must be at least 0; -1 is too little"),
    ("server.max_clients = 0", "`max_clients` must be at least 1; 0 is too little"),
    ("server.max_clients = 99999999999999999999", "`max_clients` is not a number that fits 64 bits"),
    ("redis.timeout = \"4ms\"", "`timeout` must be at least 5ms; 4ms is too little"),
    ("redis.timeout = \"2m\"", "`timeout` must be at most 1m; 2m is too much"),
    ("redis.max_value = \"513MiB\"", "`max_value` must be at most 512MiB; 513MiB is too much"),
    ("redis.nodes = []", "`nodes` must name at least 1"),
    ("redis.probe_key = \"\"", "`probe_key` may not be empty"),
    ("request.mode = \"origin_only\"", "unknown mode \"origin_only\"; did you mean \"origin-only\"?"),
    ("request.attempts = 3", "`attempts` must be at most 2; 3 is too much"),
    ("breaker.failure_ratio = 1.1", "`failure_ratio` must be at most 1; 1.1 is too much"),
    ("breaker.slow_ratio = nan", "`slow_ratio` must be a finite number"),
    ("write_back.ttl_jitter = 0.6", "`ttl_jitter` must be at most 0.5; 0.6 is too much"),
    (
        "redis.timeout = \"200\"",
        "`200` is not a duration: write a number with a unit, such as \"200ms\", \"5s\" or \"10m\"",
    ),
    (
        "local.capacity = \"64MB\"",
        "`64MB` is not a size: write a whole number with B, KiB, MiB, GiB or TiB, such as \"64MiB\"",
    ),
    // Sections.
    ("server.listen = \"localhost\"", "`localhost` is not an IP address with a port"),
    (
        "server.listen = \"0.0.0.0:6380\"",
        "0.0.0.0:6380 can be reached from other machines, and failsoft would let all of them in",
    ),
    ("server.listen = \"off\"", "`listen` is off and nothing else is listened at: no client could connect"),
    ("server = { unix_socket = \"s\", unix_socket_mode = \"0999\" }", "`0999` is not a file's mode"),
    (
        "server.unix_socket = \"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
        "`unix_socket` may have at most 107 bytes; it has 113",
    ),
    (
        "server.admin = \"0.0.0.0:9180\"",
        "0.0.0.0:9180 can be reached from other machines, and there are no users there",
    ),
    ("server.auth = \"users\"", "with auth = \"users\" nobody could come in: there is no user that is enabled"),
    ("server.auth = \"usres\"", "unknown auth \"usres\"; did you mean \"users\"?"),
    ("server.deny_commands = [\"CONFIGS\"]", "unknown command `CONFIGS`; did you mean `CONFIG`?"),
    ("server.write_timeout = \"0s\"", "`write_timeout` must be at least 100ms; 0s is too little"),
    ("server.admin = \"127.0.0.1:6380\"", "`admin` and `listen` are the same address"),
    ("redis.tls.ca = \"ca.pem\"", "[redis.tls] is written, but no node is spoken to over TLS"),
    ("redis = { nodes = [\"rediss://h\"], tls.ca = \"ca.pem\" }", "ca.pem: the file cannot be read: entity not found"),
    (
        "redis = { nodes = [\"rediss://h\"], tls.cert = \"c.pem\" }",
        "a certificate and its key go together: write both `cert` and `key`, or neither",
    ),
    (
        "redis = { nodes = [\"rediss://h\"], tls.server_name = \"a b\" }",
        "this is neither a host name nor an IP address",
    ),
    ("server.tls_listen = \"127.0.0.1:1\"", "TLS needs a certificate and its key"),
    ("server.tls.cert = \"c.pem\"", "[server.tls] is written, but no door is opened for TLS"),
    (
        "redis.nodes = [\"unix://run/r\"]",
        "this is not the URL of a Redis node: a socket's path begins with a third slash: unix:///run/redis.sock",
    ),
    ("redis.nodes = [\"http://h\"]", "this is not the URL of a Redis node: its scheme is http://"),
    ("redis.nodes = [\"redis://a\", \"redis://b\"]", "standalone has one primary; `nodes` names 2"),
    ("redis.replicas = [\"redis://127.0.0.1:6379\"]", "127.0.0.1:6379 is named more than once"),
    ("redis.replicas = [\"redis://h/1\"]", "a replica shares the primary's credentials and database"),
    ("redis = { nodes = [\"redis://h/1\"], database = 2 }", "`database` and the URL in `nodes` disagree"),
    ("redis.password_env = \"NOWHERE\"", "the environment variable NOWHERE is not set"),
    ("redis.password_file = \"none\"", "the password file none cannot be read: entity not found"),
    ("redis = { password_env = \"A\", password_file = \"b\" }", "the password is given in more than one way"),
    (
        "breaker = { cooldown = \"1s\", probe_cooldown = \"2s\" }",
        "`probe_cooldown` is longer than `cooldown`, so probing would delay the recovery it is there to hasten",
    ),
    ("local.mode = \"behind\"", "unknown mode \"behind\""),
    (
        "local = { capacity = \"1KiB\", max_entry = \"2KiB\" }",
        "`max_entry` is larger than `capacity`, so such a value could never be kept",
    ),
    ("[origins.a]", "missing key `url` in [origins.a]"),
    ("origins.a.url = \"ftp://h\"", "there is no kind of origin for ftp://"),
    ("origins.\"a b\".url = \"http://h\"", "`a b` is not a name for an origin: 1 to 64 letters, digits, `-` or `_`"),
    // Text that is not TOML.
    ("[server", "unclosed table, expected `]`"),
    ("server.threads = ", "string values must be quoted, expected literal string"),
];

#[test]
fn each_mistake_has_its_sentence_and_its_line() {
    for (text, sentence) in ONE_LINERS {
        let text = format!("\n{text}\n");
        let said = said(&text);
        assert_eq!(said.len(), 1, "{text}: {said:?}");
        assert!(said[0].ends_with(&format!("error: {sentence}")), "{text}\nsaid     {}\nexpected {sentence}", said[0]);
        assert!(said[0].starts_with("2:") || said[0].starts_with("3:"), "{text}: {}", said[0]);
    }
}

/// Mistakes in a route, which stands below three origins.
const ROUTES: &[(&str, &str)] = &[
    ("role = \"cache\"\ndefault = \"x\"", "error: missing key `keys` in [[routes]]"),
    ("keys = \"a\"", "error: missing key `role` in [[routes]]"),
    ("keys = \"a:{\"\nrole = \"lock\"", "error: a `{` is not closed (a literal brace is written twice: `{{`)"),
    ("keys = \"a\"\nrole = \"locks\"", "error: unknown role \"locks\"; did you mean \"lock\"?"),
    (
        "keys = \"a\"\nrole = \"lock\"\ndefault = \"x\"",
        "error: a route with role \"lock\" may not have `default`: an answer that Redis did not give could let two holders in",
    ),
    (
        "keys = \"a\"\nrole = \"session\"\nmax_stale = \"1s\"",
        "error: a route with role \"session\" may not have `max_stale`: an answer that Redis did not give could make somebody else of a user",
    ),
    (
        "keys = \"a\"\nrole = \"unclassified\"\norigin = \"db\"\nquery = \"SELECT 1\"",
        "error: a route with role \"unclassified\" may not have `origin`: nobody has said whether these keys may be answered without Redis",
    ),
    (
        "keys = \"a\"\nrole = \"lock\"\norigin = \"nowhere\"\nquery = \"DELETE\"",
        "error: a route with role \"lock\" may not have `origin`: an answer that Redis did not give could let two holders in",
    ),
    (
        "keys = \"a\"\nrole = \"idempotency\"\ndefault = \"x\"",
        "error: a route with role \"idempotency\" may not have `default`: an answer that Redis did not give could let something be done twice",
    ),
    (
        "keys = \"a\"\nrole = \"rate-limit\"\ndefault = \"x\"",
        "error: a route with role \"rate-limit\" may not have `default`: a count that Redis did not give would let anybody pass or nobody",
    ),
    (
        "keys = \"a\"\nrole = \"invalidation\"\ndefault = \"x\"",
        "error: a route with role \"invalidation\" may not have `default`: it carries messages, and a message cannot be made again",
    ),
    (
        "keys = \"a\"\nrole = \"session\"\nmode = \"origin-only\"",
        "error: a route with role \"session\" may not be \"origin-only\": an answer that Redis did not give could make somebody else of a user",
    ),
    (
        "keys = \"a\"\nrole = \"lock\"\non_outage = \"closed\"",
        "error: `on_outage` is for role \"rate-limit\"; the role here is \"lock\"",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\nmax_stale = \"1m\"\nwait_replicas = 1",
        "error: `wait_replicas` is for roles \"lock\" and \"idempotency\", whose grants wait for replicas; the role here is \"cache\"",
    ),
    (
        "keys = \"a\"\nrole = \"session\"\nwait_timeout = \"1s\"",
        "error: `wait_timeout` is for roles \"lock\" and \"idempotency\", whose grants wait for replicas; the role here is \"session\"",
    ),
    (
        "keys = \"a\"\nrole = \"lock\"\nwait_replicas = 2",
        "warning: 2 replicas are to have every grant, and redis.replicas names 0: with fewer, nothing is ever granted",
    ),
    ("keys = \"a\"\nrole = \"lock\"\nwait_replicas = 16", "error: `wait_replicas` must be at most 15; 16 is too much"),
    (
        "keys = \"a\"\nrole = \"flag\"\norigin = \"bd\"\nquery = \"SELECT 1\"",
        "error: there is no origin \"bd\"; did you mean \"db\"?",
    ),
    ("keys = \"a\"\nrole = \"flag\"\nquery = \"SELECT 1\"", "error: `query` needs an `origin` to ask"),
    ("keys = \"a\"\nrole = \"flag\"\norigin = \"db\"", "error: the route names a postgres origin but no query"),
    ("keys = \"a\"\nrole = \"flag\"\norigin = \"web\"", "error: the route names an HTTP origin but no path"),
    ("keys = \"a\"\nrole = \"flag\"\norigin = \"web\"\nquery = \"SELECT 1\"", "error: an HTTP origin has no queries"),
    ("keys = \"a\"\nrole = \"flag\"\norigin = \"db\"\nget = \"/\"", "error: a postgres origin has no paths"),
    ("keys = \"a\"\nrole = \"flag\"\norigin = \"own\"\nget = \"/\"", "error: an origin that is code takes no `get`"),
    (
        "keys = \"a\"\nrole = \"flag\"\norigin = \"own\"\nshape = \"hash\"",
        "error: an origin that is code makes bytes, which are no hash",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\norigin = \"web\"\nget = \"a\"",
        "error: path template: it must begin with one slash, the host comes from the origin's url",
    ),
    (
        "keys = \"a:{uid}\"\nrole = \"flag\"\norigin = \"web\"\nget = \"/{uid}/{uidd}\"",
        "error: `uidd` is not bound by the route's keys; did you mean `uid`?",
    ),
    (
        "keys = \"a:{id}\"\nrole = \"flag\"\norigin = \"db\"\nquery = \"SELECT ':x', :y, :id\"",
        "error: `y` is not bound by the route's keys",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\nshape = \"hash\"\ndefault = \"x\"",
        "error: with shape \"hash\" a default is a table of fields",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\ndefault = { a = \"x\" }",
        "error: a default that is a table of fields needs shape = \"hash\"",
    ),
    ("keys = \"a\"\nrole = \"flag\"\ndefault = 5", "error: `default` must be a string or a table, not a whole number"),
    (
        "keys = \"a\"\nrole = \"lock\"\nname = \"a b\"",
        "error: `a b` is not a name for a route: letters, digits, `-`, `_` or `.`",
    ),
    ("keys = \"a\"\nrole = \"lock\"\ntiers = { primary = false }", "error: unknown key `primary` in [routes.tiers]"),
    (
        "keys = \"a\"\nrole = \"lock\"\nlocal = \"front\"",
        "error: a route with role \"lock\" may not have `local`: an answer that Redis did not give could let two holders in",
    ),
    (
        "keys = \"a\"\nrole = \"session\"\nlocal = \"front\"",
        "error: a route with role \"session\" may not have `local`: an answer that Redis did not give could make somebody else of a user",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\nlocal = \"front\"\ntiers = { local = false }\ndefault = \"off\"",
        "error: local memory cannot be asked before Redis: `tiers` leaves local memory out",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\norigin = \"db\"\nquery = \"SELECT 1\"\nlease = \"1s\"",
        "error: `lease` has no meaning here: the route's origin makes missing values, once for all who ask",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\ndefault = \"off\"\nmax_misses = 5",
        "error: `max_misses` has no meaning here: only a cache has values that callers may make",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\ndefault = \"x\"\nmax_misses = 5",
        "error: `max_misses` is counted where leases are granted, and there are none",
    ),
    // Unwise.
    (
        "keys = \"a\"\nrole = \"cache\"",
        "warning: the application makes these values itself, and any number of callers a second may be sent to do so",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\nmax_misses = 5\nlease_wait = \"2s\"",
        "warning: nobody waits for longer than the deadline, which is 1s",
    ),
    (
        "keys = \"{kind}:a\"\nrole = \"cache\"\nlocal = \"front\"\nmax_stale = \"1m\"\nlease = \"0s\"",
        "warning: local memory is in front and the keys begin with nothing literal: Redis will tell of every write there is",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\nlease = \"0s\"",
        "warning: when Redis is away this route has nothing to answer with: no origin, no default, no max_stale",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\ndefault = \"off\"\nshape = \"json\"",
        "warning: `default` is not JSON, although the route's shape is \"json\"",
    ),
    (
        "keys = \"a:{id}\"\nrole = \"cache\"\norigin = \"my\"\nquery = \"SELECT a FROM t WHERE b = :id\"",
        "warning: MySQL compares text with a number by its first digits; nothing here says that `id` is no number",
    ),
    (
        "keys = \"a:{id}\"\nrole = \"cache\"\norigin = \"db\"\nquery = \"SELECT 1\"",
        "warning: `keys` binds `id`, which `query` does not use: many keys, one value",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\norigin = \"bare\"\nget = \"/\"",
        "warning: when Redis is away these reads go to \"bare\", which has no `max_rate` and no `max_concurrency`",
    ),
    (
        "keys = \"a\"\nrole = \"cache\"\ndefault = \"x\"\nttl = \"7days\"",
        "warning: a value that misses its invalidation would stay wrong for up to 7days",
    ),
    (
        "keys = \"a\"\nrole = \"flag\"\nmax_stale = \"0s\"",
        "warning: local copies count as fresh for 30s only, and max_stale is 0",
    ),
    (
        "keys = \"a\"\nrole = \"lock\"\ndeadline = \"100ms\"",
        "warning: the deadline (100ms) is shorter than the timeout (200ms): a silent node takes all the time there is",
    ),
];

const ORIGINS: &str = "
[origins]
db = { url = \"postgres://app@h/d\", max_rate = 1, max_concurrency = 1 }
my = { url = \"mysql://app@h/d\", max_rate = 1, max_concurrency = 1 }
web = { url = \"http://h\", max_rate = 1, max_concurrency = 1 }
bare = { url = \"http://h\" }
own = { url = \"code:\", max_rate = 1, max_concurrency = 1 }
[[routes]]
";

#[test]
fn each_mistake_in_a_route_has_its_sentence_and_its_line() {
    for (route, sentence) in ROUTES {
        let text = format!("{ORIGINS}{route}\n");
        let said = said(&text);
        assert_eq!(said.len(), 1, "{route}: {said:?}");
        let (line, message) = said[0].split_once(": ").unwrap();
        assert_eq!(message, *sentence, "{route}");
        assert!(line.parse::<usize>().unwrap() >= 7, "{route}: {line}");
    }
}

#[test]
fn all_problems_are_said_at_once_in_the_order_of_their_lines() {
    let text = "[server]\nlisten = \"nowhere\"\n[redis]\ntopology = \"sentinel\"\n[local]\nmax_entry = \"128MiB\"\n[[routes]]\nkeys = \"{\"\nrole = \"lock\"\n";
    assert_eq!(
        said(text),
        [
            "2: error: `nowhere` is not an IP address with a port",
            "4: error: topology \"sentinel\" needs `nodes` and `master_name`",
            "6: error: `max_entry` is larger than `capacity`, so such a value could never be kept",
            "8: error: a `{` is not closed (a literal brace is written twice: `{{`)",
        ]
    );
}

#[test]
fn what_cannot_be_read_is_said_together_with_the_rest_but_without_its_echoes() {
    let text = "[server]\nlsiten = 1\nthreads = 999\n[local]\nmax_entry = \"128MiB\"\n[[routes]]\nkeys = \"a\"\nrole = \"flag\"\norign = \"db\"\nquery = \"SELECT 1\"\n";
    assert_eq!(
        said(text),
        [
            "2: error: unknown key `lsiten` in [server]; did you mean `listen`?",
            "3: error: `threads` must be at most 256; 999 is too much",
            "5: error: `max_entry` is larger than `capacity`, so such a value could never be kept",
            "9: error: unknown key `orign` in [[routes]]; did you mean `origin`?",
        ]
    );
}

#[test]
fn a_route_that_is_never_reached_is_named_with_the_one_before_it() {
    let route = |keys: &str| format!("[[routes]]\nkeys = \"{keys}\"\nrole = \"lock\"\n");
    let text = [route("a:*"), route("b:{x}"), route("a:{id}"), route("b:7"), route("b:{x}:y")].concat();
    assert_eq!(
        said(&text),
        [
            "8: warning: no key ever comes here: routes[0] (`a:*`) takes them all",
            "11: warning: no key ever comes here: routes[1] (`b:{x}`) takes them all",
        ]
    );
}

#[test]
fn two_routes_may_not_have_one_name() {
    let route = "[[routes]]\nkeys = \"{}\"\nrole = \"lock\"\nname = \"n\"\n";
    assert_eq!(
        said(&[route.replace("{}", "a"), route.replace("{}", "b")].concat()),
        ["8: error: two routes are called `n`"]
    );
}

#[test]
fn a_problem_shows_its_place_its_path_and_its_line_without_passwords() {
    let text = "[redis]\nnodes = [\"redis://app:hunter2@h:x\"]\n";
    let problems = read(text).unwrap_err();
    let problem = &problems.list()[0];
    assert_eq!(problem.place.to_string(), "failsoft.toml:2:10");
    assert_eq!(problem.path, "redis.nodes[0]");
    let excerpt = problem.excerpt.as_ref().unwrap();
    assert_eq!((excerpt.line.as_str(), excerpt.start), ("nodes = [\"redis://app:***@h:x\"]", 9));
    assert!(!format!("{problems}{problems:?}").contains("hunter2"));
    assert_eq!(
        problems.to_string(),
        "failsoft.toml:2:10: error: this is not the URL of a Redis node: its port is not a number from 1 to 65535\nhint: write redis://host:port, rediss://host:port for TLS, or unix:///path/of/the/socket"
    );
}

#[test]
fn a_user_has_a_name_of_its_own_and_hashes_that_are_never_shown() {
    let user = "[[users]]\nname = \"a\"\npassword_sha256 = [\"hunter2\"]\nkeys = [\"{\"]\n";
    let problems = read(&["server.auth = \"users\"\n", user, user].concat()).unwrap_err();
    assert!(!format!("{problems}{problems:?}").contains("hunter2"), "{problems}");
    assert_eq!(
        said(&["server.auth = \"users\"\n", user, user].concat()),
        [
            "4: error: this is not a SHA-256 in hex: 64 digits, 0 to 9 and a to f",
            "5: error: a `{` is not closed (a literal brace is written twice: `{{`)",
            "7: error: users[0] has the same name",
            "8: error: this is not a SHA-256 in hex: 64 digits, 0 to 9 and a to f",
            "9: error: a `{` is not closed (a literal brace is written twice: `{{`)",
        ]
    );
    let in_clear = read("[[users]]\nname = \"a\"\npassword = \"hunter2\"\n").unwrap_err();
    assert!(!format!("{in_clear}{in_clear:?}").contains("hunter2"), "{in_clear}");
    let spaced = "server.auth = \"users\"\n[[users]]\nname = \"a b\"\npassword_sha256 = [\"\"]\n";
    assert_eq!(
        said(spaced),
        [
            "3: error: a user's name may not contain spaces",
            "4: error: this is not a SHA-256 in hex: 64 digits, 0 to 9 and a to f"
        ]
    );
}

#[test]
fn beyond_loopback_clients_say_who_they_are_and_what_is_dangerous_is_denied() {
    let user = format!("[[users]]\nname = \"a\"\npassword_sha256 = [\"{}\"]\n", "0".repeat(64));
    let text = format!("server.listen = \"0.0.0.0:6380\"\nserver.auth = \"users\"\n{user}");
    assert_eq!(said(&text), ["1: warning: passwords and values cross the network to 0.0.0.0:6380 as they are"]);
    let config: &[&[u8]] = &[b"CONFIG", b"GET", b"dir"];
    let denies = |text: &str| {
        let spec = failsoft_resp::commands::lookup(config[0], Some(config[1])).unwrap();
        read(text).unwrap().settings.rules().deny().covers(spec, config)
    };
    assert!(denies(&text));
    assert!(denies("server = { listen = \"0.0.0.0:1\", allow_non_loopback = true }"));
    assert!(!denies("server = { listen = \"0.0.0.0:1\", allow_non_loopback = true, deny_commands = [] }"));
    assert!(!denies("server.listen = \"127.0.0.1:1\""));
    assert!(denies("server = { listen = \"127.0.0.1:1\", deny_commands = [\"config\"] }"));
    assert_eq!(said(&user), ["1: warning: nobody is asked whether they are this user: server.auth is not \"users\""]);
}

#[test]
fn a_problem_as_json_has_line_and_column_beside_the_file() {
    let problems = read("server.lsiten = 1\n").unwrap_err();
    assert_eq!(
        serde_json::to_value(&problems.list()[0]).unwrap(),
        serde_json::json!({
            "severity": "error",
            "file": "failsoft.toml", "line": 1, "column": 8,
            "path": "server.lsiten",
            "message": "unknown key `lsiten` in [server]; did you mean `listen`?",
            "hint": "[server] knows listen, tls_listen, unix_socket, unix_socket_mode, admin, announce, threads, drain, max_clients, max_query_buffer, max_output_buffer, idle_timeout, write_timeout, tcp_keepalive, auth, deny_commands, allow_non_loopback and tls",
        })
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_reading_panic(text in "\\PC{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn no_mixture_of_real_lines_makes_reading_panic(
        lines in prop::collection::vec(0..ONE_LINERS.len() + ROUTES.len(), 0..8),
        cut in 0..400_usize,
    ) {
        let line = |index: &usize| match index.checked_sub(ONE_LINERS.len()) {
            None => format!("{}\n", ONE_LINERS[*index].0),
            Some(index) => format!("[[routes]]\n{}\n", ROUTES[index].0),
        };
        let text: String = lines.iter().map(line).collect();
        let _ = read(&text);
        let _ = read(text.get(..cut).unwrap_or(&text));
    }
}
