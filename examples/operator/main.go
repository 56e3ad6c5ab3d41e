// Command operator plays a host and its mobile-money operator against each other, in one process and on a clock that
// only the story moves: payments that are confirmed, refused, told twice, told late, told in contradiction, or never
// told of. It prints what each callback was answered and what became of the session.
//
// callbacks.go is the part to copy: how an operator's callbacks are checked, applied and answered. host.go asks for
// payments, sweeps and reconciles. The operator is that of package simulator; operator.go, scene.go and story.go are the play.
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
