// Command explain-order prints in which order placeholders go, and the rule that decides between neighbours. It reads objects
// from YAML, so that an order can be tried out, or one of a real cluster looked into:
//
//	kubectl get headrooms,daemonsets,nodes,namespaces,pods -A -o yaml > cluster.yaml
//	go run ./hack/explain-order -f cluster.yaml --consumer shop/web-1
//
// Pods are required. Nodes give sizes and domains, Headrooms give consumers and spread keys, Namespaces give the labels that
// consumers may select by. Taints, affinity and the like are not looked at, and no Score plugin runs.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil && !errors.Is(err, pflag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "explain-order: "+err.Error())
		os.Exit(1)
	}
}

// run reads what the arguments name and prints the order to out.
func run(args []string, in io.Reader, out io.Writer) error {
	flags := pflag.NewFlagSet("explain-order", pflag.ContinueOnError)
	files := flags.StringArrayP("filename", "f", nil, "file with Kubernetes objects, - for standard input; may be repeated")
	consumer := flags.String("consumer", "", "NAMESPACE/NAME of the pod that wants room; without it the placeholders of each node "+
		"are put in order for a pod that is open to all and lacks nothing in particular")
	flags.SetOutput(out)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if len(*files) == 0 {
		return errors.New("no file named: give at least one -f FILE")
	}
	objects := newObjects()
	for _, file := range *files {
		if err := objects.readFile(file, in); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
	}
	wanted, err := objects.pod(*consumer)
	if err != nil {
		return err
	}
	c := newCluster(objects, wanted)
	if wanted == nil {
		return c.printPlaceholders(out)
	}
	return c.printNodes(out)
}
