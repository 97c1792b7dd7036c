package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

var small = []byte("sixteen bytes...")

// do does a work and gives its values.
func do(transport, work string, numbers []int) ([]float64, error) {
	switch {
	case work == "latency" && len(numbers) == 1:
		return latency(transport, small, numbers[0], []float64{0.5, 0.99})
	case work == "echo" && len(numbers) == 2:
		message := make([]byte, numbers[0])
		for index := range message {
			message[index] = byte(index)
		}
		return latency(transport, message, numbers[1], []float64{0.5})
	case work == "rate" && len(numbers) == 2:
		return rate(transport, numbers[0], time.Duration(numbers[1])*time.Millisecond)
	case work == "launch" && len(numbers) == 1:
		return launch(transport, numbers[0])
	case work == "memory" && len(numbers) == 0:
		return memory(transport)
	}
	return nil, fmt.Errorf("no work is called %q with %d numbers", work, len(numbers))
}

func latency(transport string, message []byte, calls int, shares []float64) ([]float64, error) {
	client, caller, err := start(transport)
	if err != nil {
		return nil, err
	}
	defer client.Kill()
	if err := check(caller, message); err != nil {
		return nil, err
	}
	for range calls/10 + 1 {
		if message, err = exchange(caller, message); err != nil {
			return nil, err
		}
	}
	micros := make([]float64, calls)
	for index := range micros {
		begin := time.Now()
		if message, err = exchange(caller, message); err != nil {
			return nil, err
		}
		micros[index] = microsSince(begin)
	}
	var values []float64
	for _, share := range shares {
		values = append(values, quantile(micros, share))
	}
	return values, nil
}

func rate(transport string, callers int, duration time.Duration) ([]float64, error) {
	client, caller, err := start(transport)
	if err != nil {
		return nil, err
	}
	defer client.Kill()
	if err := check(caller, small); err != nil {
		return nil, err
	}
	begin := time.Now().Add(100 * time.Millisecond)
	end := begin.Add(duration)
	counts := make([]int, callers)
	errs := make([]error, callers)
	var group sync.WaitGroup
	for index := range callers {
		group.Go(func() {
			message := small
			for {
				var err error
				if message, err = exchange(caller, message); err != nil {
					errs[index] = err
					return
				}
				now := time.Now()
				if !now.Before(end) {
					return
				}
				if !now.Before(begin) {
					counts[index]++
				}
			}
		})
	}
	group.Wait()
	sum := 0
	for index, count := range counts {
		if errs[index] != nil {
			return nil, errs[index]
		}
		sum += count
	}
	return []float64{float64(sum) / duration.Seconds()}, nil
}

func launch(transport string, times int) ([]float64, error) {
	var micros []float64
	// The first one reads the executable, and does not count.
	for index := range times + 1 {
		begin := time.Now()
		client, caller, err := start(transport)
		if err != nil {
			return nil, err
		}
		_, err = exchange(caller, small)
		if index > 0 {
			micros = append(micros, microsSince(begin))
		}
		client.Kill()
		if err != nil {
			return nil, err
		}
	}
	return []float64{quantile(micros, 0.5)}, nil
}

func memory(transport string) ([]float64, error) {
	client, caller, err := start(transport)
	if err != nil {
		return nil, err
	}
	defer client.Kill()
	if err := check(caller, small); err != nil {
		return nil, err
	}
	folder := fmt.Sprintf("/proc/%d/", client.ReattachConfig().Pid)
	var values []float64
	for _, field := range [][2]string{{"smaps_rollup", "Anonymous:"}, {"status", "Threads:"}} {
		value, err := procField(folder+field[0], field[1])
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func procField(path, name string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, found := strings.CutPrefix(line, name); found {
			return strconv.ParseFloat(strings.Fields(rest)[0], 64)
		}
	}
	return 0, fmt.Errorf("no field %s in %s", name, path)
}

func microsSince(begin time.Time) float64 { return float64(time.Since(begin).Nanoseconds()) / 1e3 }

// quantile gives the nearest rank.
func quantile(samples []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[max(int(math.Ceil(share*float64(len(sorted)))), 1)-1]
}

func printVersions() error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return fmt.Errorf("this executable says nothing about its modules")
	}
	for _, module := range info.Deps {
		switch module.Path {
		case "github.com/hashicorp/go-plugin", "google.golang.org/grpc":
			fmt.Printf("%s %s, ", module.Path[strings.LastIndex(module.Path, "/")+1:], module.Version)
		}
	}
	fmt.Println(runtime.Version())
	return nil
}
