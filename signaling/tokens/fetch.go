package tokens

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// fetcher returns a function that fetches and parses the key set of a resolved configuration.
func fetcher(cfg Config) func(context.Context) ([]key, []error, error) {
	client := clientFor(cfg)
	return func(ctx context.Context) ([]key, []error, error) {
		ctx, cancel := context.WithTimeout(ctx, FetchTimeout)
		defer cancel()
		body, err := get(ctx, client, cfg.JWKSURL)
		if err != nil {
			return nil, nil, err
		}
		return parseKeySet(body)
	}
}

// clientFor returns the client that fetches keys: whichever it is, it follows no redirect to where
// the keys would be anybody's.
func clientFor(cfg Config) *http.Client {
	var client http.Client
	if cfg.HTTPClient != nil {
		client = *cfg.HTTPClient
	} else {
		client.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableKeepAlives:      true, // a fetch is rare
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	configured := client.CheckRedirect
	client.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if err := checkURL(r.URL, cfg.AllowHTTP); err != nil {
			return fmt.Errorf("redirect: %w", err)
		}
		if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
			return errors.New("redirect from https to http")
		}
		if configured != nil {
			return configured(r, via)
		}
		if len(via) >= 5 {
			return errors.New("more than 5 redirects")
		}
		return nil
	}
	return &client
}

// get returns the body of a reply. Its errors leave the URL out, which can hold a key.
func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the URL cannot be requested")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := client.Do(req)
	var with *url.Error
	if errors.As(err, &with) {
		err = with.Err
	}
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the reply's status is %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("reading the reply: %w", err)
	}
	if len(body) > MaxKeySet {
		return nil, fmt.Errorf("the reply is larger than %d bytes", MaxKeySet)
	}
	return body, nil
}
