//! Every metric, once: name, type, unit, labels, help.
//!
//! The exposition, `docs/metrics.md` and the tests read this table, so a metric that is not in it cannot be told, and
//! one that is told differently fails a test. Labels take their values from settings and from names of enum variants
//! only: never from a key, a value or a client, so that the number of series is bounded by the settings.
//!
//! The four names that begin with `redis_` are a contract with dashboards written before failsoft was; all others
//! begin with `failsoft_`.

/// What kind of number a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process or what it counts begins anew.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations by bucket, with their sum and count.
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What is known of a metric without looking at any world.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The part of failsoft it tells of: a heading of the reference.
    pub section: &'static str,
    /// The name, unit included.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What one of it is.
    pub unit: &'static str,
    /// The names of its labels, in the order in which their values are given.
    pub labels: &'static [&'static str],
    /// What it means, in one or two sentences.
    pub help: &'static str,
}

macro_rules! catalogue {
    ($($section:literal { $($id:ident: $kind:ident $name:literal $unit:literal [$($label:literal),*] $help:literal;)* })*) => {
        /// One metric. Its variants stand in the order in which they are told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Metric { $($(#[doc = $help] $id,)*)* }

        impl Metric {
            /// Every metric.
            pub const ALL: &'static [Self] = &[$($(Self::$id,)*)*];

            /// What is known of it.
            pub const fn description(self) -> &'static Description {
                &TABLE[self as usize]
            }
        }

        const TABLE: &[Description] = &[$($(Description {
            section: $section,
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            help: $help,
        },)*)*];
    };
}

catalogue! {
    "All routes together" {
        SlotsAssigned: Gauge "redis_cluster_slots_assigned" "slots" []
            "Hash slots that have an owner. A primary that is alone owns all 16384, once it is known.";
        SlotsOk: Gauge "redis_cluster_slots_ok" "slots" []
            "Hash slots whose owner is asked freely: it is believed to be the owner, and its circuit is closed.";
        RoutingAttempts: Counter "redis_fallback_routing_attempts_total" "requests" ["status"]
            "Requests by how they were routed: primary_hit (the primary answered, be it 'absent', or who is asked before it: a coherent local copy, a replica with read_from replica), primary_failover (a replica), secondary_fallback (local memory, the origin or the default), error (nobody).";
        RoutingLatency: Histogram "redis_fallback_routing_latency_seconds" "seconds" []
            "Time from a request to its answer, whichever tier gave it.";
    }
    "Locks and idempotency" {
        Leases: Counter "failsoft_leases_total" "commands" ["command", "result"]
            "FAILSOFT LOCK, EXTEND, UNLOCK, BEGIN, COMMIT and ABORT by what came of them: granted, held (by somebody else), new, in_progress, done, not_held (with this token), unavailable (nothing is held), unknown (it may have happened), error. Told where a route has role lock or idempotency.";
    }
    "Rate limits" {
        LimitDecisions: Counter "failsoft_limit_decisions_total" "requests" ["route", "basis", "result"]
            "FAILSOFT LIMIT by who decided (redis; local: this instance's share; open: nobody) and what was decided (allowed, limited).";
        LimitKeys: Gauge "failsoft_limit_keys" "keys" []
            "Keys of rate limits of which something is remembered here for when Redis is away: shares and counters.";
        LimitMaxKeys: Gauge "failsoft_limit_max_keys" "keys" []
            "Keys of rate limits that may be remembered; the same for shares and for counters.";
        LimitForgotten: Counter "failsoft_limit_forgotten_total" "keys" []
            "Keys of rate limits that had to be forgotten because there were too many: their limits begin anew.";
        LimitDebts: Counter "failsoft_limit_debts_told_total" "keys" []
            "Times that Redis was told of what had passed under a key while it was away.";
        LimitTold: Counter "failsoft_limit_told_total" "requests" []
            "Requests that Redis was told of so, with their costs.";
        FleetSize: Gauge "failsoft_fleet_size" "instances" []
            "Instances that limits are divided by.";
        FleetHeartbeats: Counter "failsoft_fleet_heartbeats_total" "heartbeats" ["result"]
            "Signs of life by what came of them: counted (so were the others'), away (Redis did not answer), refused (it does not let the key be written).";
    }
    "Topology" {
        TopologyVersion: Gauge "failsoft_topology_version" "views" ["deployment"]
            "Which view of the deployment is gone by: rises by one whenever a node, a role, a slot or what is thought of a primary has changed.";
        TopologyAge: Gauge "failsoft_topology_age_seconds" "seconds" ["deployment"]
            "Time since the deployment was last looked at and found to be as it should be; 0 for a standalone Redis, of which the settings say all.";
        TopologyLooks: Counter "failsoft_topology_looks_total" "looks" ["deployment", "result"]
            "Looks at the deployment by what came of them: believed, disbelieved (no majority, or nodes that contradict each other), unheard (nobody answered).";
        TopologyHints: Counter "failsoft_topology_hints_total" "hints" ["deployment", "reason"]
            "Reasons to look at the deployment early: moved, readonly, lost (a primary did not answer), unowned (a key is wanted that nobody owns), sentinel (one has told of a failover). However many there are, they cause at most ten looks a second.";
        TopologyChanges: Counter "failsoft_topology_changes_total" "views" ["deployment"]
            "Views that differed from the one before.";
        TopologyRedirects: Counter "failsoft_topology_redirects_total" "redirections" ["deployment", "result"]
            "Redirections (MOVED, ASK, or READONLY to a write) by what came of them: followed, unknown (to nobody who is known: the map is learned anew), back (to a node that has sent it away itself: the same), forbidden (to where nobody may be spoken to), barred (the other's circuit is open).";
        TopologyOffLimits: Counter "failsoft_topology_off_limits_total" "nodes" ["deployment"]
            "Nodes that were named where no node may be (redis.networks), so that they are not connected to.";
    }
    "Routes" {
        Requests: Counter "failsoft_requests_total" "requests" ["route", "status"]
            "Requests of a route by how they were routed; the values of status are those of redis_fallback_routing_attempts_total.";
        RequestDuration: Histogram "failsoft_request_duration_seconds" "seconds" ["route"]
            "Time from a request of a route to its answer.";
        Answers: Counter "failsoft_answers_total" "requests" ["route", "tier"]
            "Requests of a route by the tier that answered.";
        Outcomes: Counter "failsoft_outcomes_total" "outcomes" ["route", "tier", "outcome", "reason"]
            "What came back from a tier other than a value: outcome is miss, refused, failed or silent.";
        StaleAnswers: Counter "failsoft_stale_answers_total" "requests" ["route"]
            "Answers older than their time to live, within the route's max_stale.";
        Mode: Gauge "failsoft_mode" "1 or 0" ["route", "mode"]
            "1 for the mode that the route is in (auto, origin-only, pass-through), 0 for the others: what an operator wants of it, whatever is observed.";
        ModeChanges: Counter "failsoft_mode_changes_total" "switches" ["route"]
            "Times that the route's mode was switched: by FAILSOFT MODE, at the admin interface, or by a reload. Who did it is in the log.";
        Errors: Counter "failsoft_errors_total" "requests" ["route", "code"]
            "Requests answered with an error of failsoft's own, by its first word. Errors of Redis pass through and are in failsoft_outcomes_total.";
    }
    "Redis nodes" {
        NodeCircuitState: Gauge "failsoft_node_circuit_state" "1 or 0" ["node", "tier", "state"]
            "1 for the state that the node's circuit is in (closed: traffic flows), 0 for the others.";
        NodeCircuitTransitions: Counter "failsoft_node_circuit_transitions_total" "transitions" ["node", "tier"]
            "Times that the node's circuit has changed its state.";
        NodeCircuitOpened: Counter "failsoft_node_circuit_opened_total" "transitions" ["node", "tier"]
            "Times that the node's circuit has opened.";
        NodeConnections: Gauge "failsoft_node_connections" "connections" ["node", "tier"]
            "Connections to the node that are open and through their handshake.";
        NodeConnects: Counter "failsoft_node_connects_total" "connections" ["node", "tier"]
            "Connections to the node that were opened.";
        NodeConnectFailures: Counter "failsoft_node_connect_failures_total" "attempts" ["node", "tier", "reason"]
            "Attempts to connect to the node that failed.";
        NodeDisconnects: Counter "failsoft_node_disconnects_total" "connections" ["node", "tier", "reason"]
            "Connections to the node that were lost or given up.";
        NodeRefusals: Counter "failsoft_node_refusals_total" "replies" ["node", "tier", "word"]
            "Error replies of the node by Redis' word, in lower case; error stands for every other word.";
        NodeSilences: Counter "failsoft_node_silences_total" "requests" ["node", "tier", "reason"]
            "Requests that were sent to the node and not answered.";
        NodeQueueFull: Counter "failsoft_node_queue_full_total" "requests" ["node", "tier"]
            "Requests that were not sent because too many were in flight on their connection.";
        NodeLateReplies: Counter "failsoft_node_late_replies_total" "replies" ["node", "tier"]
            "Replies that came after their asker had stopped waiting; they are thrown away.";
        NodeProbes: Counter "failsoft_node_probes_total" "probes" ["node", "tier", "result"]
            "Background probes by result: well, or what was wrong.";
        NodeWritable: Gauge "failsoft_node_writable" "1 or 0" ["node", "tier"]
            "Whether the node took the last background probe's write. Only primaries are tried; absent before the first probe.";
        NodeMayEvict: Gauge "failsoft_node_may_evict" "1 or 0" ["node", "tier"]
            "Whether the node may evict locks and idempotency records: it has a maxmemory, and a maxmemory-policy other than noeviction. Asked every half minute where leases are granted; absent where none has been.";
        NodeReplicaUsable: Gauge "failsoft_node_replica_usable" "1 or 0" ["node", "tier"]
            "Whether the replica may answer on every route that reads from replicas: its circuit is closed, it was heard of lately, hears its primary, is not being sent everything anew, and is within the shortest max_replica_lag.";
        NodeReplicationLag: Gauge "failsoft_node_replication_lag_seconds" "seconds" ["node", "tier"]
            "How old what the replica holds is at most; it grows while the primary cannot be asked. Absent while that cannot be measured.";
        NodePending: Gauge "failsoft_node_pending" "requests" ["node", "tier"]
            "Requests in flight to the node, over all connections.";
        NodeMaxPending: Gauge "failsoft_node_max_pending_per_connection" "requests" ["node", "tier"]
            "Requests that may be in flight on one connection to the node.";
        NodeDedicated: Gauge "failsoft_node_dedicated_connections" "connections" ["node", "tier"]
            "Connections to the node that belong to single clients: those in a transaction, subscribed, blocked, or with another state of their own.";
        NodeMaxDedicated: Gauge "failsoft_node_max_dedicated_connections" "connections" ["node", "tier"]
            "Connections to the node that may belong to single clients.";
        NodeDedicatedConnects: Counter "failsoft_node_dedicated_connects_total" "connections" ["node", "tier"]
            "Connections that were opened for single clients, rather than taken from those that wait for the next one.";
        NodeDedicatedRefused: Counter "failsoft_node_dedicated_refused_total" "commands" ["node", "tier"]
            "Commands that got no connection of their own because too many clients had one.";
        NodeDedicatedPaced: Counter "failsoft_node_dedicated_paced_total" "commands" ["node", "tier"]
            "Commands that needed a connection of the client's own and were told to come again, because redis.max_connects are opened in a second already.";
        NodeReplyDuration: Histogram "failsoft_node_reply_duration_seconds" "seconds" ["node", "tier"]
            "Time from asking the node to its reply, error replies included.";
    }
    "Origins" {
        OriginCircuitState: Gauge "failsoft_origin_circuit_state" "1 or 0" ["origin", "state"]
            "1 for the state that the origin's circuit is in (closed: loads flow), 0 for the others.";
        OriginCircuitTransitions: Counter "failsoft_origin_circuit_transitions_total" "transitions" ["origin"]
            "Times that the origin's circuit has changed its state.";
        OriginCircuitOpened: Counter "failsoft_origin_circuit_opened_total" "transitions" ["origin"]
            "Times that the origin's circuit has opened.";
        OriginLoads: Counter "failsoft_origin_loads_total" "loads" ["origin", "result"]
            "Loads that were begun, by result: hit, no_such_row, or what failed.";
        OriginStatements: Counter "failsoft_origin_statements_total" "statements" ["origin"]
            "Statements or requests that reached the origin, counted there or at its driver.";
        OriginCoalesced: Counter "failsoft_origin_coalesced_total" "requests" ["origin"]
            "Requests that shared the load of another.";
        OriginShed: Counter "failsoft_origin_shed_total" "requests" ["origin", "reason"]
            "Requests turned away to protect the origin.";
        OriginInFlight: Gauge "failsoft_origin_in_flight" "loads" ["origin"]
            "Loads under way.";
        OriginConcurrencyLimit: Gauge "failsoft_origin_concurrency_limit" "loads" ["origin"]
            "Loads that may be under way at present; adapts to how the origin is doing.";
        OriginMaxConcurrency: Gauge "failsoft_origin_max_concurrency" "loads" ["origin"]
            "Loads that may ever be under way at once: the setting max_concurrency.";
        OriginQueued: Gauge "failsoft_origin_queued" "requests" ["origin"]
            "Requests that wait for their turn to load.";
        OriginMaxQueued: Gauge "failsoft_origin_max_queued" "requests" ["origin"]
            "Requests that may wait for their turn to load: the setting queue.";
        OriginMaxRate: Gauge "failsoft_origin_max_rate" "loads per second" ["origin"]
            "Loads that this instance may begin each second: its share of the setting max_rate. Absent without one.";
        OriginTokens: Gauge "failsoft_origin_rate_tokens" "loads" ["origin"]
            "Loads that the rate would let begin at this moment. Absent without a max_rate.";
        OriginLoadDuration: Histogram "failsoft_origin_load_duration_seconds" "seconds" ["origin"]
            "Time of a load, waiting for its turn not included.";
        OriginQueueingDuration: Histogram "failsoft_origin_queueing_duration_seconds" "seconds" ["origin"]
            "Time that a load has waited for its turn.";
    }
    "Values that callers make" {
        LeaseGranted: Counter "failsoft_lease_granted_total" "requests" ["route"]
            "Callers that were told that a value is missing and had the right to make it, while others waited for them.";
        LeasePassed: Counter "failsoft_lease_passed_total" "requests" ["route", "reason"]
            "Callers that were told that a value is missing without a lease: own (they held it already, and would have waited for themselves), uncacheable (nobody writes the key), full (no room in the tables), late (they had waited for routes.lease_wait in vain).";
        LeaseWaits: Counter "failsoft_lease_waits_total" "requests" ["route", "result"]
            "Callers that waited for what another writes, and did not come to make it themselves: filled (it was written), stale (it was not, and an old copy was there), late (it was not, and they were told so), shed (turned away to protect the database).";
        LeaseShed: Counter "failsoft_lease_shed_total" "requests" ["route", "reason"]
            "Callers turned away because max_misses others had been sent to the database: the guard's reasons, leader (who was to make the value was turned away), budget (nothing was left after waiting in vain). They are answered with an old copy, the default or OVERLOADED.";
        LeaseEnded: Counter "failsoft_lease_ended_total" "leases" ["route", "how"]
            "Leases by how they ended: filled (the key was written), voided (it was deleted), expired (neither came within routes.lease), given_up (the caller had to wait for its turn, or was turned away).";
        LeasesHeld: Gauge "failsoft_lease_held" "leases" ["route"]
            "Keys that callers are making now.";
        LeasesMaxHeld: Gauge "failsoft_lease_max_held" "leases" ["route"]
            "Keys that callers may be making at once under a lease.";
        LeaseWaiting: Gauge "failsoft_lease_waiting" "requests" ["route"]
            "Callers that wait for what another writes.";
        LeaseMaxWaiting: Gauge "failsoft_lease_max_waiting" "requests" ["route"]
            "Callers that may wait for what another writes.";
        LeaseUncacheable: Gauge "failsoft_lease_uncacheable_keys" "keys" ["route"]
            "Keys known that nobody writes: their readers do not wait for each other.";
        LeaseMaxUncacheable: Gauge "failsoft_lease_max_uncacheable_keys" "keys" ["route"]
            "Keys of which it can be known that nobody writes them.";
        LeaseQueued: Gauge "failsoft_lease_queued" "requests" ["route"]
            "Callers that wait for their turn at the database. Absent without max_misses.";
        LeaseMaxQueued: Gauge "failsoft_lease_max_queued" "requests" ["route"]
            "Callers that may wait for their turn at the database. Absent without max_misses.";
        LeaseMaxMisses: Gauge "failsoft_lease_max_misses" "requests per second" ["route"]
            "Callers a second that this instance may send to the database: its share of the setting max_misses. Absent without one.";
    }
    "Local memory" {
        LocalHits: Counter "failsoft_local_hits_total" "looks" []
            "Looks into local memory that found a fresh copy.";
        LocalStaleHits: Counter "failsoft_local_stale_hits_total" "looks" []
            "Looks into local memory that found a copy beyond its time to live, within the route's max_stale.";
        LocalMisses: Counter "failsoft_local_misses_total" "looks" []
            "Looks into local memory that found nothing, or something too old.";
        LocalUnverified: Counter "failsoft_local_unverified_total" "looks" []
            "Looks in front of Redis that passed over a copy because nothing vouched that it was what Redis holds.";
        LocalKept: Counter "failsoft_local_kept_total" "copies" []
            "Copies that were kept.";
        LocalRefused: Counter "failsoft_local_refused_total" "copies" []
            "Copies that were not kept, because a write had passed meanwhile or because they were too large.";
        LocalInvalidated: Counter "failsoft_local_invalidated_total" "copies" []
            "Copies that were removed because a write passed, or because Redis told of one.";
        LocalEntries: Gauge "failsoft_local_entries" "copies" []
            "Copies in local memory.";
        LocalBytes: Gauge "failsoft_local_bytes" "bytes" []
            "Bytes of local memory in use, keys and overhead included.";
        LocalFlags: Gauge "failsoft_local_flags" "copies" []
            "Copies of flags in local memory.";
        LocalFlagBytes: Gauge "failsoft_local_flag_bytes" "bytes" []
            "Bytes that copies of flags use, beside failsoft_local_bytes; at most the setting local.flags.";
        LocalFlagEvictions: Counter "failsoft_local_flag_evictions_total" "copies" []
            "Copies of flags that had to go for others: more is read than local.flags has room for.";
        LocalCapacity: Gauge "failsoft_local_capacity_bytes" "bytes" []
            "Bytes of local memory that may be in use: the setting local.capacity.";
    }
    "Near cache" {
        TrackingUp: Gauge "failsoft_tracking_up" "1 or 0" ["node"]
            "Whether Redis tells of every write at this moment, so that local copies may answer in front of it. Absent without a route in front, like all metrics of this section.";
        TrackingBegun: Counter "failsoft_tracking_begun_total" "connections" ["node"]
            "Times that Redis has agreed to tell of writes. Copies from before are not used in front any more.";
        TrackingDropped: Counter "failsoft_tracking_dropped_total" "connections" ["node", "reason"]
            "Tracking connections that were lost or could not be made.";
        TrackingInvalidations: Counter "failsoft_tracking_invalidations_total" "keys" ["node"]
            "Keys that Redis has told of, also those of which there was no copy.";
        TrackingFlushes: Counter "failsoft_tracking_flushes_total" "messages" ["node"]
            "Times that Redis has told that everything has changed: FLUSHALL, FLUSHDB.";
    }
    "Invalidation" {
        SubscriptionsLost: Counter "failsoft_subscriptions_lost_total" "connections" []
            "Connections to Redis of subscribers to invalidation routes that were lost while their clients stayed.";
        SubscriptionsRegained: Counter "failsoft_subscriptions_regained_total" "times" []
            "Times that all of a client's lost subscriptions were had back.";
        PublishQueueMessages: Gauge "failsoft_publish_queue_messages" "messages" []
            "Messages to channels of invalidation routes that wait to be published.";
        PublishQueueBytes: Gauge "failsoft_publish_queue_bytes" "bytes" []
            "Bytes that they take, with the channels of which it is remembered that something is missing.";
        PublishQueueSent: Counter "failsoft_publish_queue_sent_total" "messages" []
            "Messages that were published from the queue.";
        PublishQueueDropped: Counter "failsoft_publish_queue_dropped_total" "messages" ["reason"]
            "Messages that left the queue without having been published: `age` (publish.queue_for) and `overflow` (publish.queue, publish.queue_bytes), which are told as gaps, and Redis' own errors.";
        PublishQueueRefused: Counter "failsoft_publish_queue_refused_total" "messages" []
            "Messages that were not taken into the queue, which their publishers were told.";
        PublishQueueGaps: Counter "failsoft_publish_queue_gaps_total" "messages" []
            "Gap messages that were published in the place of dropped ones.";
        GapMessages: Counter "failsoft_gap_messages_total" "messages" []
            "Messages by which subscribers were told that others may have been lost.";
    }
    "Writing back to Redis" {
        WriteBackWritten: Counter "failsoft_write_back_written_total" "values" []
            "Values loaded from an origin that Redis has taken, or had meanwhile.";
        WriteBackDropped: Counter "failsoft_write_back_dropped_total" "values" ["reason"]
            "Values loaded from an origin that were not written back.";
        WriteBackOutstanding: Gauge "failsoft_write_back_outstanding" "values" []
            "Values on their way back to Redis.";
        WriteBackMaxOutstanding: Gauge "failsoft_write_back_max_outstanding" "values" []
            "Values that may be on their way back to Redis at once: the setting write_back.queue.";
    }
    "Invalidations" {
        JournalEntries: Gauge "failsoft_journal_entries" "keys" ["phase"]
            "Keys of cache routes with a write that Redis has not had: pending (no node is asked for them), settling (replayed, and once more after a quiet second; replicas are not asked).";
        JournalBytes: Gauge "failsoft_journal_bytes" "bytes" []
            "Memory that they take up, by failsoft's own reckoning; bounded by journal.capacity.";
        JournalStaleRoutes: Gauge "failsoft_journal_stale_routes" "routes" []
            "Routes of which invalidations have been given up, so that no node is asked for their keys until they have been swept.";
        JournalRecent: Gauge "failsoft_journal_recent" "changes" []
            "Changes that are remembered in case their primary is replaced: those of journal.window.";
        JournalRecentTruncated: Counter "failsoft_journal_recent_truncated_total" "changes" []
            "Changes that were forgotten before journal.window was over, because there were too many. After a failover they are not invalidated again.";
        JournalAdded: Counter "failsoft_journal_added_total" "invalidations" []
            "Invalidations that were journalled.";
        JournalReplayed: Counter "failsoft_journal_replayed_total" "invalidations" []
            "Invalidations that a primary has carried out; each key's last one is carried out twice.";
        JournalUnreplayed: Counter "failsoft_journal_unreplayed_total" "invalidations" ["reason"]
            "Attempts to replay an invalidation that failed; it is tried again.";
        JournalRepeated: Counter "failsoft_journal_repeated_total" "invalidations" []
            "Invalidations that were journalled because another primary has taken the place of the one that had carried them out.";
        JournalOverflows: Counter "failsoft_journal_overflows_total" "overflows" []
            "Times that the journal was full, so that a route became stale.";
        JournalSwept: Counter "failsoft_journal_swept_keys_total" "keys" []
            "Keys of stale routes that were deleted.";
        GutterKept: Counter "failsoft_gutter_kept_total" "values" []
            "Values of cache routes that were kept in local memory because Redis could not take them.";
        GutterDropped: Counter "failsoft_gutter_dropped_total" "values" ["reason"]
            "Values of cache routes that neither Redis nor local memory could take: too_large, or no_local (there is no local memory). Their writers were told OK, as a cache may forget at any time.";
    }
    "The sidecar" {
        Clients: Gauge "failsoft_clients" "connections" []
            "Clients that are connected.";
        MaxClients: Gauge "failsoft_max_clients" "connections" []
            "Clients that may be connected: the setting server.max_clients, or fewer where file descriptors are short.";
        ClientsAccepted: Counter "failsoft_clients_accepted_total" "connections" []
            "Connections of clients that were accepted, those refused right after included.";
        ClientsRefused: Counter "failsoft_clients_refused_total" "connections" []
            "Clients that were turned away because there were too many.";
        ClientsClosed: Counter "failsoft_clients_closed_total" "connections" ["reason"]
            "Connections of clients that ended.";
        AcceptErrors: Counter "failsoft_accept_errors_total" "errors" ["reason"]
            "Connections of clients that could not be accepted.";
        AuthFailures: Counter "failsoft_auth_failures_total" "attempts" []
            "Wrong names or passwords of failsoft's own users.";
        CommandsRefused: Counter "failsoft_commands_refused_total" "commands" ["reason"]
            "Commands that were not let through: no_auth (the client has not said who it is), command or key (its user may not), deny_list (nobody may).";
        TlsHandshakes: Counter "failsoft_clients_tls_handshakes_total" "handshakes" ["result"]
            "Handshakes of TLS with clients by result: done, or why the client was let go. Absent where no door speaks TLS.";
        CertificateExpiry: Gauge "failsoft_tls_certificate_expiry_timestamp_seconds" "seconds" ["use"]
            "When the first certificate of a file expires, in seconds since 1970: server and client_ca towards clients, redis_ca and redis_client towards nodes.";
        CertificateReloads: Counter "failsoft_tls_certificate_reloads_total" "reloads" ["result"]
            "Times that the files of certificates were read again: taken_up or refused.";
        FallbackTasks: Gauge "failsoft_fallback_tasks" "requests" []
            "Requests that the first tier did not answer and that are still under way.";
        MaxFallbackTasks: Gauge "failsoft_max_fallback_tasks" "requests" []
            "Requests that may be under way beyond the first tier at once.";
        FallbackTasksRefused: Counter "failsoft_fallback_tasks_refused_total" "requests" []
            "Requests that were answered with an error because too many were under way beyond the first tier.";
        Reloads: Counter "failsoft_reloads_total" "reloads" ["result"]
            "Times that settings were read again: taken_up or refused.";
    }
    "The process" {
        Generation: Gauge "failsoft_settings_generation" "reloads" []
            "Times that new settings have come into force since the start.";
        Uptime: Gauge "failsoft_uptime_seconds" "seconds" []
            "Time since the start.";
        BuildInfo: Gauge "failsoft_build_info" "1" ["version"]
            "Always 1; the label says which failsoft this is.";
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn descriptions() -> impl Iterator<Item = &'static Description> {
        Metric::ALL.iter().map(|metric| metric.description())
    }

    #[test]
    fn no_two_metrics_have_the_same_name() {
        let names: BTreeSet<_> = descriptions().map(|metric| metric.name).collect();
        assert_eq!(names.len(), Metric::ALL.len());
    }

    #[test]
    fn names_tell_type_and_unit() {
        for metric in descriptions() {
            let Description { name, kind, unit, help, .. } = metric;
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *unit == "seconds", "{name}");
            assert_eq!(name.ends_with("_bytes"), *unit == "bytes", "{name}");
            assert!(name.starts_with("failsoft_") || name.starts_with("redis_"), "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
        }
    }

    #[test]
    fn the_names_that_are_a_contract_stand() {
        let told = |name| descriptions().find(|metric| metric.name == name).map(|metric| (metric.kind, metric.labels));
        assert_eq!(told("redis_cluster_slots_assigned"), Some((Kind::Gauge, &[] as &[&str])));
        assert_eq!(told("redis_cluster_slots_ok"), Some((Kind::Gauge, &[] as &[&str])));
        assert_eq!(told("redis_fallback_routing_attempts_total"), Some((Kind::Counter, &["status"] as &[&str])));
        assert_eq!(told("redis_fallback_routing_latency_seconds"), Some((Kind::Histogram, &[] as &[&str])));
    }
}
