package main

import (
	"context"
	"time"
)

// connections is how many connections the load generator keeps open.
const connections = 64

// httpContenders serve the request over HTTP on the loopback interface, between two processes.
func httpContenders(opts options, client string) []contender {
	names := []string{floorName, memoryName, sqliteName}
	if opts.has("peers") {
		names = append(names, handwrittenName)
		if opts.fiberMissing == nil {
			names = append(names, fiberName, fiberAlone)
		}
	}
	var contenders []contender
	for _, name := range names {
		contenders = append(contenders, contender{name, connections, opts.withFolder(func(ctx context.Context, dir string, d time.Duration) (sample, error) {
			return httpRound(ctx, serving{Name: name, Dir: dir, Profile: opts.profileOf(client+" "+name, connections)}, client, usually(d), d)
		})})
	}
	return contenders
}

func httpRound(ctx context.Context, task serving, client string, warmUp, d time.Duration) (sample, error) {
	var at listening
	server, err := spawn(ctx, "serve", task, &at)
	if err != nil {
		return sample{}, err
	}
	defer server.kill()
	t, err := loadFrom(ctx, loading{Address: at.Address, Client: client, Connections: connections, WarmUp: warmUp, Duration: d})
	if err != nil {
		return sample{}, err
	}
	var end served
	if err := server.stop(&end); err != nil {
		return sample{}, err
	}
	loadCPU := t.CPU
	t.CPU = end.CPU - at.CPU
	s := t.sample()
	s.Extra[extraLoadCPU] = float64(loadCPU) / float64(time.Microsecond) / float64(t.All)
	s.Extra[extraPeakMB] = float64(end.Peak) / 1e6
	return s, nil
}

// loadFrom runs a load generator in a process of its own.
func loadFrom(ctx context.Context, task loading) (tally, error) {
	client, err := spawn(ctx, "load", task, &struct{}{})
	if err != nil {
		return tally{}, err
	}
	defer client.kill()
	if err := client.begin(); err != nil {
		return tally{}, err
	}
	var t tally
	return t, client.finish(&t)
}
