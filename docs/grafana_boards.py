"""What stands on the dashboards of Grafana: rows of panels, each with what it asks Prometheus for.

``grafana_dashboards`` makes the files of them.
"""

from typing import Final

from grafana_panels import (
    ERRORS,
    LATENCY,
    LEAF,
    NET,
    NETWORK,
    NODE,
    NODES,
    ONE_NODE,
    ROLE,
    TIER,
    Board,
    P,
    or_none,
    quantile,
    rate,
    ratio,
)

# fmt: off

OVERVIEW: Final = Board(
    "wuhan-network",
    "Wuhan · network",
    "Rate, errors, latency and saturation, by tier",
    (NETWORK,),
    (
        (
            "Now",
            (
                P("Nodes that answer", "none", [(f'count(up{{job=~"wuhan.*", {NET}}} == 1)', "up")],
                  "Of all that the supervisor has told of.", now=True, span=4),
                P("Nodes that do not", "none",
                  [(or_none(f'count(up{{job=~"wuhan.*", {NET}}} == 0)'), "down")],
                  now=True, span=4),
                P("Answers", "reqps", [(rate("wuhan_requests_total", NET), "all")],
                  now=True, span=4),
                P("Errors", "percentunit",
                  [(ratio(or_none(rate("wuhan_requests_total", f"{NET}, {ERRORS}")),
                          rate("wuhan_requests_total", NET)), "share")], now=True, span=4),
                P("Leaf cache", "percentunit",
                  [(ratio(rate("wuhan_cache_lookups_total", f'{NET}, {LEAF}, result!="miss"'),
                          rate("wuhan_cache_lookups_total", f"{NET}, {LEAF}")), "hits")],
                  now=True, span=4),
                P("Alerts that fire", "none",
                  [(or_none('count(ALERTS{alertstate="firing"})'), "alerts")], now=True, span=4),
            ),
        ),
        (
            "By tier",
            (
                P("Answers a second", "reqps",
                  [(f"role:wuhan_requests:rate1m{{{NET}}}", "{{role}}")]),
                P("Errors", "percentunit",
                  [(or_none(f"role:wuhan_errors:ratio_rate5m{{{NET}}}"), "{{role}}")],
                  "Answers that say that something could not be found out."),
                P("Latency, 99 of 100", "s",
                  [(f"role:wuhan_request_duration_seconds:p99_5m{{{NET}}}", "{{role}}")]),
                P("Latency, half", "s",
                  [(f"role:wuhan_request_duration_seconds:p50_5m{{{NET}}}", "{{role}}")]),
                P("Answers by transport", "reqps",
                  [(rate("wuhan_requests_total", NET, "transport"), "{{transport}}")]),
                P("Answers by code", "reqps",
                  [(rate("wuhan_requests_total", NET, "code"), "{{code}}")]),
            ),
        ),
        (
            "Saturation",
            (
                P("CPU by process", "percentunit",
                  [(f"rate(process_cpu_seconds_total{{{NET}}}[$__rate_interval])",
                    "{{process}}")], "1 is a core."),
                P("Resident memory by process", "bytes",
                  [(f"process_resident_memory_bytes{{{NET}}}", "{{process}}")]),
                P("Event loop, 99 of 100", "s",
                  [(quantile(0.99, "wuhan_event_loop_lag_seconds", NET, "process"),
                    "{{process}}")], "How late it comes to what is due."),
            ),
        ),
    ),
)

TIER_BOARD: Final = Board(
    "wuhan-tier",
    "Wuhan · tier",
    "The nodes of one tier beside each other",
    (NETWORK, TIER),
    (
        (
            "Answers",
            (
                P("By node", "reqps", [(f"node:wuhan_requests:rate1m{{{ROLE}}}", "{{node}}")]),
                P("By operation", "reqps",
                  [(rate("wuhan_requests_total", ROLE, "op"), "{{op}}")]),
                P("By code", "reqps", [(rate("wuhan_requests_total", ROLE, "code"), "{{code}}")]),
                P("Latency by node, 99 of 100", "s",
                  [(quantile(0.99, LATENCY, ROLE, "node"), "{{node}}")]),
                P("Latency by the way of the answer, 99 of 100", "s",
                  [(quantile(0.99, LATENCY, ROLE, "path"), "{{path}}")],
                  "ready: repeated; local: made here; forwarded: others were asked."),
                P("Errors by node", "reqps",
                  [(or_none(rate("wuhan_requests_total", f"{ROLE}, {ERRORS}", "node")),
                    "{{node}}")]),
            ),
        ),
        (
            "What was turned away",
            (
                P("By admission", "reqps",
                  [(or_none(rate("wuhan_admission_rejected_total", ROLE, "reason")),
                    "{{reason}}")]),
                P("Malformed", "reqps",
                  [(or_none(rate("wuhan_malformed_messages_total", ROLE, "transport, reason")),
                    "{{transport}} {{reason}}")]),
                P("Under way", "none",
                  [(f"wuhan_resolutions_in_flight{{{ROLE}}}", "{{node}}")]),
            ),
        ),
    ),
)

NODE_BOARD: Final = Board(
    "wuhan-node",
    "Wuhan · node",
    "Everything about one node",
    (NETWORK, ONE_NODE),
    (
        (
            "Now",
            (
                P("What it is", "none", [(f"wuhan_build_info{{{NODE}}}", "{{role}} {{version}}")],
                  now=True, span=6),
                P("Records", "short", [(f"wuhan_store_records{{{NODE}}}", "records")],
                  now=True, span=6),
                P("Resolved since its store was made", "short",
                  [(f"sum(wuhan_resolutions_total{{{NODE}}})", "asked for"),
                   (f"sum(wuhan_resolutions_success_total{{{NODE}}})", "found")],
                  now=True, span=6),
                P("Clients that are known", "none",
                  [(f"sum by (kind) (wuhan_sessions{{{NODE}}})", "{{kind}}")], now=True, span=6),
            ),
        ),
        (
            "Answers",
            (
                P("By operation and code", "reqps",
                  [(rate("wuhan_requests_total", NODE, "op, code"), "{{op}} {{code}}")]),
                P("By transport", "reqps",
                  [(rate("wuhan_requests_total", NODE, "transport"), "{{transport}}")]),
                P("Resolutions by prefix", "reqps",
                  [(rate("wuhan_resolutions_total", NODE, "prefix"), "{{prefix}}")]),
                P("Latency", "s",
                  [(quantile(q, LATENCY, NODE), name)
                   for q, name in ((0.5, "half"), (0.9, "9 of 10"), (0.99, "99 of 100"))]),
                P("Questions that share a resolution", "reqps",
                  [(rate("wuhan_coalesced_requests_total", NODE), "coalesced")]),
                P("Children: time since they were heard", "s",
                  [(or_none(f"wuhan_heartbeat_age_seconds{{{NODE}}}"), "{{child}}")]),
            ),
        ),
        (
            "Its process",
            (
                P("CPU", "percentunit",
                  [("sum by (process) (rate(process_cpu_seconds_total[$__rate_interval])"
                    f" and on (process) wuhan_build_info{{{NODE}}})", "{{process}}")]),
                P("Resident memory", "bytes",
                  [("sum by (process) (process_resident_memory_bytes"
                    f" and on (process) wuhan_build_info{{{NODE}}})", "{{process}}")]),
                P("Open files", "none",
                  [("sum by (process) (process_open_fds"
                    f" and on (process) wuhan_build_info{{{NODE}}})", "{{process}}")]),
            ),
        ),
    ),
)

CACHES: Final = Board(
    "wuhan-caches",
    "Wuhan · caches",
    "Routes and leaves: hits, room, and what had to go",
    (NETWORK, NODES),
    (
        (
            "Hits",
            (
                P("Leaves", "percentunit",
                  [(f"node:wuhan_leaf_hits:ratio_rate5m{{{NODE}}}", "{{node}}")],
                  "Of the looks for an identifier, those that found it, or that there is none."),
                P("Routes", "percentunit",
                  [(f"node:wuhan_route_hits:ratio_rate5m{{{NODE}}}", "{{node}}")]),
                P("Looks by class and result", "reqps",
                  [(rate("wuhan_cache_lookups_total", NODE, "class, result"),
                    "{{class}} {{result}}")]),
                P("Stale answers", "reqps",
                  [(or_none(rate("wuhan_cache_lookups_total", f'{NODE}, result="stale"', "node")),
                    "{{node}}")], "Given because the authority was silent (RFC 8767)."),
                P("Looked for anew before they expired", "reqps",
                  [(or_none(rate("wuhan_cache_lookups_total", f'{NODE}, result="prefetch"',
                                 "node")), "{{node}}")]),
                P("Questions that share a resolution", "reqps",
                  [(rate("wuhan_coalesced_requests_total", NODE, "node"), "{{node}}")]),
            ),
        ),
        (
            "Room",
            (
                P("Bytes", "bytes",
                  [(f"sum by (class) (wuhan_cache_bytes{{{NODE}}})", "{{class}}")]),
                P("Share of the budget", "percentunit",
                  [(f"sum by (class) (wuhan_cache_bytes{{{NODE}}})"
                    f" / sum by (class) (wuhan_cache_budget_bytes{{{NODE}}})", "{{class}}")]),
                P("Entries", "short",
                  [(f"sum by (class) (wuhan_cache_entries{{{NODE}}})", "{{class}}")]),
                P("Evictions", "ops",
                  [(rate("wuhan_cache_evictions_total", NODE, "class"), "{{class}}")],
                  "Entries that left before they expired, as the cache was full."),
            ),
        ),
    ),
)

REGISTRY: Final = Board(
    "wuhan-registry",
    "Wuhan · registry and store",
    "Registrations, who they came from, and the disk",
    (NETWORK, NODES),
    (
        (
            "Registrations",
            (
                P("By operation", "ops",
                  [(rate("wuhan_requests_total",
                         f'{NODE}, op=~".*_(handle|value)", code="success"', "op"), "{{op}}")]),
                P("Records made and deleted", "short",
                  [(f"sum by (op) (wuhan_registrations_total{{{NODE}}})", "{{op}}")]),
                P("Records by node", "short",
                  [(f"topk(10, wuhan_store_records{{{NODE}}})", "{{node}}")]),
                P("Proofs of who somebody is", "ops",
                  [(rate("wuhan_auth_total", NODE, "kind, result"), "{{kind}} {{result}}")]),
                P("Sessions and logins", "none",
                  [(f"sum by (kind) (wuhan_sessions{{{NODE}}})", "{{kind}}")]),
                P("Entries of the journals", "short",
                  [(f"topk(10, wuhan_journal_entries_total{{{NODE}}})", "{{node}}")]),
            ),
        ),
        (
            "The disk",
            (
                P("Transactions", "ops",
                  [(rate("wuhan_store_commits_total", NODE), "on disk"),
                   (rate("wuhan_store_write_failures_total", NODE), "failed")]),
                P("Time of the disk for a transaction", "s",
                  [(quantile(0.5, "wuhan_store_fsync_duration_seconds", NODE), "half"),
                   (quantile(0.99, "wuhan_store_fsync_duration_seconds", NODE), "99 of 100")]),
                P("Time of a change, all in all", "s",
                  [(quantile(0.99, "wuhan_store_commit_duration_seconds", NODE), "99 of 100")]),
                P("Size of the stores", "bytes",
                  [(f"topk(10, wuhan_store_bytes{{{NODE}}})", "{{node}}")]),
                P("Room on the disk", "percentunit",
                  [(f"min(node:wuhan_store_disk_free:ratio{{{NODE}}})", "free")]),
            ),
        ),
    ),
)

UPSTREAMS: Final = Board(
    "wuhan-upstreams",
    "Wuhan · upstreams and routes",
    "Whom the nodes ask, and how these answer",
    (NETWORK, NODES),
    (
        (
            "Upstreams",
            (
                P("Requests by upstream", "reqps",
                  [(rate("wuhan_upstream_requests_total", NODE, "upstream"), "{{upstream}}")]),
                P("Requests by outcome", "reqps",
                  [(rate("wuhan_upstream_requests_total", NODE, "code"), "{{code}}")]),
                P("In flight", "none",
                  [(f"sum by (upstream) (wuhan_upstream_in_flight{{{NODE}}})", "{{upstream}}")]),
                P("Time to the reply, 99 of 100", "s",
                  [(quantile(0.99, "wuhan_upstream_request_duration_seconds", NODE, "upstream"),
                    "{{upstream}}")]),
                P("Usual time (RTT)", "s",
                  [(f"max by (upstream) (wuhan_upstream_rtt_seconds{{{NODE}}})", "{{upstream}}")]),
                P("Sent once more", "reqps",
                  [(or_none(rate("wuhan_upstream_retries_total", NODE, "reason")), "{{reason}}")]),
                P("Breaker", "none",
                  [(f"max by (upstream) (wuhan_upstream_breaker_state{{{NODE}}})",
                    "{{upstream}}")],
                  "0 it is asked, 1 one request may try, 2 it is left alone."),
            ),
        ),
        (
            "Routes and reports",
            (
                P("Children: time since they were heard", "s",
                  [(f"wuhan_heartbeat_age_seconds{{{NODE}}}", "{{node}} ← {{child}}")]),
                P("Prefixes the parent was not told of", "s",
                  [(f"wuhan_route_sync_lag_seconds{{{NODE}}}", "{{node}}")]),
                P("Looks for a route", "reqps",
                  [(rate("wuhan_cache_lookups_total", f'{NODE}, class="route"', "result"),
                    "{{result}}")]),
            ),
        ),
    ),
)

TARGET: Final = Board(
    "wuhan-target",
    "Wuhan · two billion",
    "How far the network is on its way to 2,000,000,000 resolutions",
    (NETWORK,),
    (
        (
            "Now",
            (
                P("Resolutions", "short", [(f"wuhan_target_requests{{{NET}}}", "asked for")],
                  now=True, span=6),
                P("Found", "short", [(f"wuhan_target_successes{{{NET}}}", "found")],
                  now=True, span=6),
                P("Of the target", "percentunit",
                  [(f"wuhan_target_requests{{{NET}}} / wuhan_target_resolutions{{{NET}}}",
                    "done")], now=True, span=6),
                P("Time left", "s", [(f"wuhan_target_remaining_seconds{{{NET}}}", "left")],
                  "At the rate of the last minutes.", now=True, span=6),
            ),
        ),
        (
            "On the way",
            (
                P("Resolutions so far", "short",
                  [(f"wuhan_target_requests{{{NET}}}", "asked for"),
                   (f"wuhan_target_successes{{{NET}}}", "found")], span=12),
                P("Resolutions a second", "reqps",
                  [(f"network:wuhan_target_requests:rate5m{{{NET}}}", "in 5 minutes"),
                   (f"network:wuhan_target_requests:rate1h{{{NET}}}", "in an hour"),
                   ("vector(2e9 / 86400)", "two billion in a day")], span=12),
                P("By the node that holds them", "reqps",
                  [(f"topk(12, {rate('wuhan_resolutions_total', NET, 'node')})", "{{node}}")],
                  span=12),
                P("By tier", "reqps",
                  [(rate("wuhan_resolutions_total", NET, "role"), "{{role}}")], span=12),
            ),
        ),
    ),
)

BOARDS: Final = (OVERVIEW, TIER_BOARD, NODE_BOARD, CACHES, REGISTRY, UPSTREAMS, TARGET)
