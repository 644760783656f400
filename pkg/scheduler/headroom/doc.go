// Package headroom is a plugin for kube-scheduler. With it, a pod that needs room held by placeholders is bound by its first
// scheduling attempt: the placeholders are evicted and the pod is bound in one cycle, a swap. Everything else is scheduled as
// kube-scheduler would.
//
// The plugin decides in PreFilter (decide.go): does the pod fit on any node as it is? Then the cycle is left alone. Else, where
// would it fit if placeholders went (survey.go), which of these nodes pass all other Filter plugins (trial.go), and which does
// pkg/evictionorder put first? That node alone is handed to the cycle. Filter (filter.go) replaces that of NodeResourcesFit
// and lets the pod onto that node, Reserve promises it the placeholders, Bind deletes them just before the binding, and
// PostBind tells about it. PostFilter serves what a cycle cannot.
//
// docs/concepts/swap.md tells why it is built this way. A scheduler of one's own gets the plugin by
//
//	app.NewSchedulerCommand(app.WithPlugin(headroom.Name, headroom.New))
//
// and a blank import of api/config/scheme, which makes the plugin's arguments known.
package headroom
