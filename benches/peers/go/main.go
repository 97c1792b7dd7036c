// Measures hashicorp/go-plugin. One executable is the host and the plugin:
//
//	go-plugin netrpc|grpc WORK NUMBER...
//
// It prints the values of the work as a JSON array. What the works are is said in ../src/work.rs, which the
// programs of the other peers share; the loops here do the same.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
)

func main() {
	if os.Getenv(handshake.MagicCookieKey) == handshake.MagicCookieValue {
		if len(os.Args) == 4 && os.Args[1] == "evil" {
			serveEvil(os.Args[2], os.Args[3])
		} else {
			servePlugin()
		}
		return
	}
	if err := host(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "go-plugin: %v\n", err)
		os.Exit(1)
	}
}

func host(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "versions" {
		return printVersions()
	}
	if len(arguments) == 4 && arguments[0] == "fault" {
		return hostFault(arguments[1], arguments[2], arguments[3])
	}
	if len(arguments) < 2 {
		return fmt.Errorf("usage: go-plugin netrpc|grpc WORK NUMBER..., which the benchmark says")
	}
	var numbers []int
	for _, argument := range arguments[2:] {
		number, err := strconv.Atoi(argument)
		if err != nil || number <= 0 {
			return fmt.Errorf("%q is not a number above 0", argument)
		}
		numbers = append(numbers, number)
	}
	values, err := do(arguments[0], arguments[1], numbers)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(values)
}
