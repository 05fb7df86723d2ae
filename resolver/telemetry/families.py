"""Every metric of the network, one row each; docs/operations.md has the table that is made of it.

Names: prefix ``wuhan_``, base units, ``_total`` for counters. Labels are bounded: operations and
response codes by their names, transports, cache classes; upstreams and prefixes by the names that
the topology gives them, ``other`` for all the rest; never identifiers or client addresses.
"""

from typing import Final

from resolver.telemetry.page import COUNTER, GAUGE, HISTOGRAM, Family

# Each row also has the labels node and role.

REQUESTS: Final = Family(
    "wuhan_requests_total",
    COUNTER,
    "Requests answered, by operation, transport and response code",
    ("op", "transport", "code"),
)
REQUEST_DURATION: Final = Family(
    "wuhan_request_duration_seconds",
    HISTOGRAM,
    "Time from a whole request to its answer; path ready, local or forwarded",
    ("transport", "path"),
)
RESOLUTIONS: Final = Family(
    "wuhan_resolutions_total",
    COUNTER,
    "Resolutions asked for here, as the store remembers them over restarts",
    ("prefix",),
)
RESOLUTIONS_SUCCESS: Final = Family(
    "wuhan_resolutions_success_total",
    COUNTER,
    "Those of wuhan_resolutions_total that found something",
    ("prefix",),
)
REGISTRATIONS: Final = Family(
    "wuhan_registrations_total",
    COUNTER,
    "Records made and deleted here, as the store remembers them over restarts",
    ("prefix", "op"),
)
TARGET: Final = Family(
    "wuhan_target_resolutions", GAUGE, "Resolutions that the network is to reach"
)
TARGET_REQUESTS: Final = Family(
    "wuhan_target_requests", GAUGE, "Resolutions of the whole network so far"
)
TARGET_SUCCESSES: Final = Family(
    "wuhan_target_successes", GAUGE, "Those of wuhan_target_requests that found something"
)
TARGET_REMAINING: Final = Family(
    "wuhan_target_remaining_seconds",
    GAUGE,
    "Time until the target is reached at the rate of the last minutes, or without any at today's; "
    "+Inf without any today",
)
CACHE_LOOKUPS: Final = Family(
    "wuhan_cache_lookups_total",
    COUNTER,
    "Looks into a cache, by class and result: hit, miss, stale or prefetch",
    ("class", "result"),
)
CACHE_ENTRIES: Final = Family("wuhan_cache_entries", GAUGE, "Entries in a cache", ("class",))
CACHE_BYTES: Final = Family(
    "wuhan_cache_bytes", GAUGE, "Bytes a cache counts against its budget", ("class",)
)
CACHE_BUDGET: Final = Family(
    "wuhan_cache_budget_bytes", GAUGE, "Bytes a cache may take", ("class",)
)
CACHE_EVICTIONS: Final = Family(
    "wuhan_cache_evictions_total",
    COUNTER,
    "Entries that left a full cache before they expired",
    ("class",),
)
UPSTREAM_REQUESTS: Final = Family(
    "wuhan_upstream_requests_total",
    COUNTER,
    "Requests sent to other nodes, by the outcome: a response code, timeout or error",
    ("upstream", "code"),
)
UPSTREAM_DURATION: Final = Family(
    "wuhan_upstream_request_duration_seconds",
    HISTOGRAM,
    "Time from sending a request to another node to its reply or failure",
    ("upstream",),
)
UPSTREAM_RETRIES: Final = Family(
    "wuhan_upstream_retries_total",
    COUNTER,
    "Requests sent once more by another transport: late, as the answer was, or failed",
    ("upstream", "reason"),
)
UPSTREAM_IN_FLIGHT: Final = Family(
    "wuhan_upstream_in_flight", GAUGE, "Requests to another node without a reply yet", ("upstream",)
)
UPSTREAM_RTT: Final = Family(
    "wuhan_upstream_rtt_seconds",
    GAUGE,
    "How long another node usually takes to answer, smoothed (RFC 6298)",
    ("upstream",),
)
UPSTREAM_BREAKER: Final = Family(
    "wuhan_upstream_breaker_state",
    GAUGE,
    "Whether another node is asked: 0 it is, 1 one request may try, 2 it is left alone",
    ("upstream",),
)
COALESCED: Final = Family(
    "wuhan_coalesced_requests_total", COUNTER, "Requests that joined a resolution under way"
)
RUNNING: Final = Family("wuhan_resolutions_in_flight", GAUGE, "Resolutions and changes under way")
REJECTED: Final = Family(
    "wuhan_admission_rejected_total",
    COUNTER,
    "Requests turned away, or answers cut, so that others get theirs, by reason",
    ("reason",),
)
MALFORMED: Final = Family(
    "wuhan_malformed_messages_total",
    COUNTER,
    "Messages and connections turned away, by transport and reason",
    ("transport", "reason"),
)
STORE_RECORDS: Final = Family("wuhan_store_records", GAUGE, "Records in the node's store")
STORE_BYTES: Final = Family("wuhan_store_bytes", GAUGE, "Size of the node's store file")
STORE_COMMITS: Final = Family(
    "wuhan_store_commits_total", COUNTER, "Transactions that the node has put on disk"
)
STORE_FSYNC: Final = Family(
    "wuhan_store_fsync_duration_seconds",
    HISTOGRAM,
    "Time the disk took for a transaction: writing its pages, and fsync",
)
STORE_COMMIT: Final = Family(
    "wuhan_store_commit_duration_seconds",
    HISTOGRAM,
    "Time of a transaction that made changes durable, from its begin to the word of the disk",
)
STORE_FAILURES: Final = Family(
    "wuhan_store_write_failures_total",
    COUNTER,
    "Transactions that could not be written: disk full, read-only, damaged",
)
DISK_FREE: Final = Family(
    "wuhan_store_disk_free_bytes", GAUGE, "Room left on the disk that the store is on"
)
DISK_SIZE: Final = Family("wuhan_store_disk_bytes", GAUGE, "Size of the disk that the store is on")
JOURNAL: Final = Family(
    "wuhan_journal_entries_total", COUNTER, "Number of the last entry of the journal"
)
AUTH: Final = Family(
    "wuhan_auth_total",
    COUNTER,
    "Proofs of who somebody is, by their kind: success, failed, refused, timeout or error",
    ("kind", "result"),
)
SESSIONS: Final = Family(
    "wuhan_sessions", GAUGE, "Clients that are known now: by a session, or by a login", ("kind",)
)
HEARTBEAT_AGE: Final = Family(
    "wuhan_heartbeat_age_seconds",
    GAUGE,
    "Time since a child of the node was heard; +Inf if it never was",
    ("child",),
)
ROUTE_SYNC_LAG: Final = Family(
    "wuhan_route_sync_lag_seconds",
    GAUGE,
    "Time since the node's prefixes have changed and its parent was not told; 0 if it was",
)
BUILD: Final = Family(
    "wuhan_build_info",
    GAUGE,
    "Always 1; what runs here, and in which process, stands in the labels",
    ("process", "version", "python"),
)

NODE_FAMILIES: Final = (
    REQUESTS, REQUEST_DURATION, RESOLUTIONS, RESOLUTIONS_SUCCESS, REGISTRATIONS,
    TARGET, TARGET_REQUESTS, TARGET_SUCCESSES, TARGET_REMAINING,
    CACHE_LOOKUPS, CACHE_ENTRIES, CACHE_BYTES, CACHE_BUDGET, CACHE_EVICTIONS,
    UPSTREAM_REQUESTS, UPSTREAM_DURATION, UPSTREAM_RETRIES, UPSTREAM_IN_FLIGHT, UPSTREAM_RTT,
    UPSTREAM_BREAKER, COALESCED, RUNNING, REJECTED, MALFORMED,
    STORE_RECORDS, STORE_BYTES, STORE_COMMITS, STORE_FSYNC, STORE_COMMIT, STORE_FAILURES,
    DISK_FREE, DISK_SIZE, JOURNAL, AUTH, SESSIONS, HEARTBEAT_AGE, ROUTE_SYNC_LAG, BUILD,
)  # fmt: skip

# Each row of these has the label process. They stand on the page of the first node of a process.

LOOP_LAG: Final = Family(
    "wuhan_event_loop_lag_seconds",
    HISTOGRAM,
    "How late the event loop came to what was due, looked at four times a second",
)
CPU: Final = Family("process_cpu_seconds_total", COUNTER, "User and system time of the process")
RESIDENT: Final = Family("process_resident_memory_bytes", GAUGE, "Resident memory")
VIRTUAL: Final = Family("process_virtual_memory_bytes", GAUGE, "Address space")
OPEN_FILES: Final = Family("process_open_fds", GAUGE, "Open file descriptors")
MOST_FILES: Final = Family("process_max_fds", GAUGE, "File descriptors that may be open")
THREADS: Final = Family("process_threads", GAUGE, "Threads")
STARTED: Final = Family(
    "process_start_time_seconds", GAUGE, "When the process started, in unix seconds"
)
GC_COLLECTIONS: Final = Family(
    "python_gc_collections_total",
    COUNTER,
    "How often a generation was searched for garbage",
    ("generation",),
)
GC_COLLECTED: Final = Family(
    "python_gc_objects_collected_total", COUNTER, "Objects found to be garbage", ("generation",)
)
GC_UNCOLLECTABLE: Final = Family(
    "python_gc_objects_uncollectable_total",
    COUNTER,
    "Garbage that could not be freed",
    ("generation",),
)

PROCESS_FAMILIES: Final = (
    LOOP_LAG, CPU, RESIDENT, VIRTUAL, OPEN_FILES, MOST_FILES, THREADS, STARTED,
    GC_COLLECTIONS, GC_COLLECTED, GC_UNCOLLECTABLE,
)  # fmt: skip

# On the page of the whole network only.

NODE_UP: Final = Family(
    "wuhan_node_up", GAUGE, "Whether the process of a node told its figures: 1 or 0"
)
GATHER: Final = Family(
    "wuhan_gather_duration_seconds", GAUGE, "Time it took to gather this page from all processes"
)

NETWORK_FAMILIES: Final = (NODE_UP, GATHER)
