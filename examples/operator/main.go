// Command operator plays a host and its mobile-money operator against each other, in one process and on a clock that
// only the story moves: payments that are confirmed or refused, and callbacks that come twice, late, in contradiction or
// never. It prints the answer to each callback, and what became of the session.
//
// callbacks.go is the part to copy: how an operator's callbacks are checked, applied and answered. host.go asks for
// payments, sweeps and reconciles. The operator is the one of package simulator. operator.go, scene.go and story.go play the scenes.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := Tell(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}
