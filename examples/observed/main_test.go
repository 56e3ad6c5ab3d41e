package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/matryer/is"
)

// buffer is the output of a program that is still running.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// eventually calls ask until it returns true, for at most a minute.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ask(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("did not happen within a minute: ", what)
		}
	}
}

// get returns the body of an answer, or "" if the server cannot be reached yet.
func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	is.New(t).NoErr(err)
	return string(body)
}

// TestPrometheusScrapesIt runs a real Prometheus with the example's configuration. The metrics must have the values that follow from the
// calls, every alert must be valid and use metrics that exist, and no metric or trace may contain a secret.
func TestPrometheusScrapesIt(t *testing.T) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("prometheus is not installed (Debian's package prometheus)")
	}
	is := is.New(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, traces buffer
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, "127.0.0.1:0", filepath.Join(t.TempDir(), "checkouts.db"), &out, &traces) }()
	eventually(t, "the program listens", func() bool { return strings.Contains(out.String(), "http://") })
	server := regexp.MustCompile(`http://[\d.]+:\d+`).FindString(out.String())

	for _, want := range []int{201, 200} {
		request, err := http.NewRequest("POST", server+"/v1/checkouts", strings.NewReader(`{"amount": 5000, "currency": "XOF", "user_phone": "+22507987654"}`))
		is.NoErr(err)
		request.Header.Set("Authorization", "Bearer sk_live_demo")
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", "0193f0c2-a7b4-4c5e-9d3a-1b2c3d4e5f60")
		answer, err := http.DefaultClient.Do(request)
		is.NoErr(err)
		is.NoErr(answer.Body.Close())
		is.Equal(answer.StatusCode, want)
		if want == 200 { // cancel the session, so that its outcome is counted
			cancel, err := http.NewRequest("POST", server+answer.Header.Get("Location")+"/cancel", nil)
			is.NoErr(err)
			cancel.Header.Set("Authorization", "Bearer sk_live_demo")
			answer, err := http.DefaultClient.Do(cancel)
			is.NoErr(err)
			is.NoErr(answer.Body.Close())
			is.Equal(answer.StatusCode, 200)
		}
	}

	// Start Prometheus with prometheus.yml. Only the addresses and the interval differ.
	dir := t.TempDir()
	for _, name := range []string{"prometheus.yml", "alerts.yml"} {
		text, err := os.ReadFile(name)
		is.NoErr(err)
		changed := strings.ReplaceAll(string(text), "127.0.0.1:8080", strings.TrimPrefix(server, "http://"))
		changed = strings.ReplaceAll(changed, "scrape_interval: 5s", "scrape_interval: 200ms\n    scrape_timeout: 200ms")
		is.NoErr(os.WriteFile(filepath.Join(dir, name), []byte(changed), 0o666))
	}
	var log buffer
	prometheus := exec.CommandContext(t.Context(), program, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0")
	prometheus.Stderr = &log
	is.NoErr(prometheus.Start())
	defer func() {
		prometheus.Process.Kill()
		prometheus.Wait()
	}()
	var address string // on which Prometheus says that it listens
	eventually(t, "Prometheus listens", func() bool {
		found := regexp.MustCompile(`msg="Listening on" address=([\d.:]+)\s`).FindStringSubmatch(log.String())
		if found != nil {
			address = found[1]
		}
		return found != nil
	})
	query := func(q string) string {
		var answer struct {
			Data struct {
				Result []struct{ Value [2]any }
			}
		}
		if json.Unmarshal([]byte(get(t, "http://"+address+"/api/v1/query?query="+url.QueryEscape(q))), &answer) != nil || len(answer.Data.Result) == 0 {
			return ""
		}
		return fmt.Sprint(answer.Data.Result[0].Value[1])
	}
	for q, want := range map[string]string{
		`up{job="checkout"}`: "1",
		`sum(http_server_request_duration_seconds_count{http_route="/v1/checkouts"})`:                              "2",
		`sum(http_server_request_duration_seconds_count{http_route="/v1/checkouts/{id}/cancel"})`:                  "1",
		`sum(checkout_store_duration_seconds_count{checkout_operation="create",db_system_name="sqlite"})`:          "2",
		`sum(checkout_sessions_ended_total{checkout_status="cancelled",checkout_livemode="true"})`:                 "1",
		`sum(checkout_sessions_duration_seconds_count{checkout_status="cancelled",checkout_currency="XOF"})`:       "1",
		`sum(rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[5m])) or vector(0)`: "0",
	} {
		eventually(t, q+" is "+want+"; "+log.String(), func() bool { return query(q) == want })
	}
	// Prometheus must accept each alert, and each alert must use metrics that exist.
	var rules struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	eventually(t, "the rules are loaded", func() bool {
		return json.Unmarshal([]byte(get(t, "http://"+address+"/api/v1/rules")), &rules) == nil && len(rules.Data.Groups) == 1
	})
	is.Equal(len(rules.Data.Groups[0].Rules), 6)
	for _, rule := range rules.Data.Groups[0].Rules {
		is.True(rule.Health != "err")
	}
	metrics := get(t, server+"/metrics")
	alerts, err := os.ReadFile("alerts.yml")
	is.NoErr(err)
	for _, name := range regexp.MustCompile(`(?:http_server|checkout)_[a-z_]+`).FindAllString(string(alerts), -1) {
		if !strings.Contains(metrics, name) && name != "error_type" {
			t.Errorf("alerts.yml names %s, which is not in /metrics", name)
		}
	}

	stop()
	eventually(t, "the program ends", func() bool { return len(ended) == 1 })
	is.NoErr(<-ended)
	is.True(strings.Contains(traces.String(), `"Name":"POST /v1/checkouts"`))
	is.True(strings.Contains(traces.String(), `"Name":"checkout.store create"`))
	for _, secret := range []string{"22507987654", "sk_live_demo", "0193f0c2-a7b4"} {
		is.True(!strings.Contains(traces.String(), secret))
		is.True(!strings.Contains(metrics, secret))
	}
}
