// Package headroom is a plugin for kube-scheduler. With it, a pod that needs room held by placeholders is bound by its first
// scheduling attempt: the placeholders are evicted and the pod is bound in one cycle, a swap. Everything else is scheduled as
// kube-scheduler would.
//
// The plugin decides in PreFilter, through package selection: does the pod fit on any node as it is? Then the cycle is
// left alone. Else, where would it fit if placeholders went, which of these nodes pass all other Filter plugins
// (package dryrun), and which does pkg/evictionorder put first? That node alone is handed to the cycle. Filter replaces
// that of NodeResourcesFit and lets the pod onto that node, Reserve reserves the placeholders for it, Bind deletes them
// just before the binding, and PostBind tells about it. PostFilter serves what a cycle cannot; package waiting has pods
// tried again. This package has the extension points and decides nothing itself.
//
// docs/concepts/swap.md tells why it is built this way. A scheduler of one's own gets the plugin by
//
//	app.NewSchedulerCommand(app.WithPlugin(headroom.Name, headroom.New))
//
// and a blank import of api/config/scheme, which makes the plugin's arguments known.
package headroom
