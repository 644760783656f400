package main

// row is a heading with panels below it.
type row struct {
	title  string
	panels []panel
}

// panel is one picture. A stat is one number, which has the color over from the value above on, and below that the color under, by default
// green. empty is what stands there if no query has a result; Grafana's own "No data" does not say whether that is right.
type panel struct {
	title, description, unit, empty string
	queries                         []query
	stat                            bool
	under, over                     string
	above                           float64
}

type query struct{ expr, legend string }

// selected are the Headrooms that the user chose.
const selected = `{namespace=~"$namespace",headroom=~"$headroom"}`

// with adds a matcher to the selection.
func with(matcher string) string {
	return `{namespace=~"$namespace",headroom=~"$headroom",` + matcher + `}`
}

// createdToBound is kube-scheduler's histogram, of the schedulers that have the plugin.
const createdToBound = "sum by (le) (rate(scheduler_pod_scheduling_sli_duration_seconds_bucket[5m])" +
	" and on (instance) headroom_scheduler_evictions_total)"

// byDomain are the units that can be taken in each domain. The metric has only domains with some, so that the line of a zone would end
// where it matters most: one that had units lately is at 0, as long as its Headroom exists.
const byDomain = "sum by (namespace, headroom, domain) (headroom_domain_ready_placeholders" + selected + ")" +
	" or sum by (namespace, headroom, domain) (last_over_time(headroom_domain_ready_placeholders" + selected + "[6h])) * 0" +
	" and on (namespace, headroom) headroom_desired" + selected

const each = "{{namespace}}/{{headroom}}"

// perMonth makes a month's cost of a number of units, by the price that the user has typed in above the panels. Nobody has typed in 0: then
// the cost is not known, and not 0.
const perMonth = " * (vector($unit_price) > 0) * 730"

// rows are the whole dashboard. docs/reference/metrics.md says what each metric means.
func rows() []row {
	return []row{
		{title: "At a glance", panels: glance()},
		{title: "Headroom held", panels: held()},
		{title: "Headroom taken", panels: taken()},
		{title: "What it costs and what it saves", panels: worth()},
		{title: "Pods that take it", panels: consumers()},
		{title: "Scheduler and controller", panels: health()},
	}
}

func glance() []panel {
	return []panel{
		{
			title: "Units wanted", unit: "short", stat: true, over: "green", above: 0,
			description: "Units that the selected Headrooms should hold.",
			queries:     []query{{"sum(headroom_desired" + selected + ")", ""}},
		},
		{
			title: "Units that can be taken", unit: "short", stat: true, under: "orange", over: "green", above: 1,
			description: "Units that are held on nodes to which a pod can be bound now.",
			queries:     []query{{"sum(headroom_placeholders" + with(`state="bound"`) + ")", ""}},
		},
		{
			title: "Headrooms that are not full", unit: "short", stat: true, over: "orange", above: 1,
			description: "Headrooms whose condition Filled is not True. kubectl headroom status says why.",
			queries:     []query{{"count(headroom_condition" + with(`type="Filled",status!="True"`) + ") or vector(0)", ""}},
		},
		{
			title: "Headrooms that are not acted on", unit: "short", stat: true, over: "red", above: 1,
			description: "Headrooms whose condition Ready is False: the spec is wrong, or a quota or policy refuses the placeholders.",
			queries:     []query{{"count(headroom_condition" + with(`type="Ready",status="False"`) + ") or vector(0)", ""}},
		},
	}
}

func held() []panel {
	return []panel{
		{
			title: "Held against wanted", unit: "short", description: "Units that can be taken, and units that should be held, of each Headroom.",
			queries: []query{
				{"sum by (namespace, headroom) (headroom_placeholders" + with(`state="bound"`) + ")", each + " held"},
				{"sum by (namespace, headroom) (headroom_desired" + selected + ")", each + " wanted"},
			},
		},
		{
			title: "Held in each zone", unit: "short",
			description: "Units that can be taken, by zone or by what spec.topologySpreadConstraints spread over. A zone that had some within " +
				"six hours and has none is at 0.",
			queries: []query{{byDomain, each + " {{domain}}"}},
		},
		{
			title: "Waiting and parked", unit: "short",
			description: "Placeholders that wait for room, and units that are not made for now because no room came for those that waited. The " +
				"condition Filled says for what.",
			queries: []query{
				{"sum by (namespace, headroom) (headroom_placeholders" + with(`state="pending"`) + ")", each + " waiting"},
				{"sum by (namespace, headroom) (headroom_parked" + selected + ")", each + " parked"},
			},
		},
		{
			title: "Unavailable and outdated", unit: "short",
			description: "Units on nodes to which no pod can be bound now, and units that are not what the spec says.",
			queries: []query{
				{"sum by (namespace, headroom) (headroom_placeholders" + with(`state="unavailable"`) + ")", each + " unavailable"},
				{"sum by (namespace, headroom) (headroom_outdated" + selected + ")", each + " outdated"},
			},
		},
	}
}

func taken() []panel {
	return []panel{
		{
			title: "Units taken", unit: "short",
			description: "Units that pods took within five minutes. kubectl headroom ledger says which pods.",
			queries:     []query{{"sum by (namespace, headroom) (increase(headroom_consumed_total" + selected + "[5m]))", each}},
		},
		{
			title: "Units lacked", unit: "short",
			description: "Units that entitled pods lacked when they were told that there is no room, within five minutes.",
			queries:     []query{{"sum by (namespace, headroom) (increase(headroom_lacked_units_total" + selected + "[5m]))", each}},
		},
		{
			title: "Entitled pods that no unit served", unit: "short", empty: "None",
			description: "Pods that a Headroom entitles and none of its units served, within five minutes, by reason: none_ready and too_small " +
				"ask for more or larger units, filtered and priority for other pods.",
			queries: []query{
				{"sum by (namespace, headroom, reason) (increase(headroom_missed_pods_total" + selected + "[5m])) > 0", each + " {{reason}}"},
			},
		},
		{
			title: "Refill", unit: "s", description: "How long it takes until a unit is bound in the place of one that went, of all Headrooms.",
			queries: []query{
				{"histogram_quantile(0.5, sum by (le) (rate(headroom_refill_duration_seconds_bucket[30m])))", "median"},
				{"histogram_quantile(0.9, sum by (le) (rate(headroom_refill_duration_seconds_bucket[30m])))", "90 %"},
			},
		},
		{
			title: "Units lost", unit: "short", description: "Units that went without being taken, within an hour, by reason.",
			queries: []query{{"sum by (reason) (increase(headroom_lost_total" + selected + "[1h]))", "{{reason}}"}},
		},
	}
}

func worth() []panel {
	return []panel{
		{
			title: "Fewest that could be taken", unit: "short",
			description: "The smallest number of units that could be taken at any time of the last seven days. 0: it was used up.",
			queries:     []query{{"sum by (namespace, headroom) (headroom_lowest_ready_placeholders" + selected + ")", each}},
		},
		{
			title: "Units that were not needed", unit: "short", empty: "Not known before the account covers seven days",
			description: "Units that could be taken at all times of the last seven days. Fewer would have done.",
			queries:     []query{{"sum by (namespace, headroom) (headroom_unused_units" + selected + ")", each}},
		},
		{
			title: "Cost a month, an estimate", unit: "short", empty: "No price is known",
			description: "What the selected Headrooms hold, and what of it nobody needed in seven days, by the prices of nodes that " +
				"headroom-controller was told (--price-label, --node-price), in their currency; else at the price of a unit an hour that is " +
				"typed in above.",
			queries: []query{
				{
					"sum(headroom_held_hourly_cost" + selected + ") * 730 or sum(headroom_placeholders" + with(`state=~"bound|unavailable"`) +
						")" + perMonth,
					"held",
				},
				{
					"sum(headroom_unused_weekly_cost" + selected + ") / 168 * 730 or sum(headroom_unused_units" + selected + ")" + perMonth,
					"of which not needed",
				},
			},
		},
		{
			title: "Units without a price", unit: "short", empty: "headroom-controller was told no prices",
			description: "Units on nodes of which headroom-controller was told no price. The costs leave them out.",
			queries:     []query{{"sum by (namespace, headroom) (headroom_unpriced_units" + selected + ")", each}},
		},
		{
			title: "Waiting that was saved, an estimate", unit: "s", empty: "Not known before a unit came back on a new node",
			description: "How long pods would have waited for nodes in seven days without headroom: units taken times what a node takes.",
			queries:     []query{{"sum by (namespace, headroom) (headroom_estimated_saved_seconds" + selected + ")", each}},
		},
	}
}

func consumers() []panel {
	return []panel{
		{
			title: "Misses", unit: "short",
			description: "Pods that no headroom could serve although some node held headroom, within five minutes, by reason.",
			queries:     []query{{"sum by (reason) (increase(headroom_scheduler_misses_total[5m]))", "{{reason}}"}},
		},
		{
			title: "From created to bound", unit: "s",
			description: "Pods that headroom-scheduler bound: how long they waited from when it first saw them, whether they took units or " +
				"not. Placeholders that it binds count, too: where these wait for nodes, 99 % is how long they waited.",
			queries: []query{
				{"histogram_quantile(0.5, " + createdToBound + ")", "median"},
				{"histogram_quantile(0.99, " + createdToBound + ")", "99 %"},
			},
		},
		{
			title: "Swaps", unit: "short", description: "How swaps ended, within five minutes. Anything but bound is worth a look.",
			queries: []query{{"sum by (result) (increase(headroom_scheduler_swaps_total[5m]))", "{{result}}"}},
		},
		{
			title: "How long a swap takes", unit: "s", description: "From the choice of the victims to the binding, of swaps that ended bound.",
			queries: []query{
				{"histogram_quantile(0.5, sum by (le) (rate(headroom_scheduler_swap_duration_seconds_bucket[5m])))", "median"},
				{"histogram_quantile(0.99, sum by (le) (rate(headroom_scheduler_swap_duration_seconds_bucket[5m])))", "99 %"},
			},
		},
	}
}

func health() []panel {
	return []panel{
		{
			title: "Which build runs", unit: "short", description: "Processes that are scraped, by component and version.",
			queries: []query{{"sum by (component, version) (headroom_build_info)", "{{component}} {{version}}"}},
		},
		{
			title: "Errors of the controller", unit: "short",
			description: "Within five minutes: reconciles that failed, placeholders that were refused, writes of accounts that failed.",
			queries: []query{
				{"sum by (stage) (increase(headroom_reconcile_errors_total[5m]))", "reconcile: {{stage}}"},
				{"sum by (reason) (increase(headroom_placeholders_refused_total[5m]))", "refused: {{reason}}"},
				{"sum(increase(headroom_account_write_errors_total[5m]))", "account"},
			},
		},
		{
			title: "Placeholders deleted by the controller", unit: "short", description: "Within an hour, by reason.",
			queries: []query{{"sum by (reason) (increase(headroom_placeholders_deleted_total[1h]))", "{{reason}}"}},
		},
		{
			title: "Evictions for pods that are not entitled", unit: "short",
			description: "Units that went in place of running pods, or for pods of the system, whatever consumers say, within an hour.",
			queries:     []query{{"sum by (reason) (increase(headroom_scheduler_unentitled_evictions_total[1h]))", "{{reason}}"}},
		},
	}
}
