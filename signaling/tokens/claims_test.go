package tokens

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestClaimsAreChecked(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}, Issuer: "https://app.example", Audience: "parley"})
	unix := start.Unix()
	for name, c := range map[string]struct {
		changes members // nil: the claim is taken out
		want    error
	}{
		"as they should be":                  {nil, nil},
		"claims that nobody knows":           {members{"admin": true, "jti": 7, "azp": nil}, nil},
		"no name":                            {members{"name": nil}, nil},
		"no rooms and no can, for now":       {members{"rooms": nil, "can": nil}, nil},
		"no sub":                             {members{"sub": nil}, ErrClaims},
		"an empty sub":                       {members{"sub": ""}, ErrClaims},
		"a sub that is a number":             {members{"sub": 7}, ErrClaims},
		"a sub that is null":                 {members{"sub": json.RawMessage("null")}, ErrClaims},
		"a sub that is a list":               {members{"sub": []string{"ada"}}, ErrClaims},
		"a sub with a line end":              {members{"sub": "ada\nmallory"}, ErrClaims},
		"a sub named in another case":        {members{"sub": nil, "SUB": "mallory"}, ErrClaims},
		"a name that is an object":           {members{"name": members{"first": "mallory"}}, ErrClaims},
		"a name that is null":                {members{"name": json.RawMessage("null")}, ErrClaims},
		"a name with an escape":              {members{"name": "\x1b[31mmallory"}, ErrClaims},
		"rooms that are one string":          {members{"rooms": "lobby"}, ErrClaims},
		"rooms that are true":                {members{"rooms": true}, ErrClaims},
		"rooms that are null":                {members{"rooms": json.RawMessage("null")}, ErrClaims},
		"rooms that are an object":           {members{"rooms": members{"lobby": true}}, ErrClaims},
		"rooms of numbers":                   {members{"rooms": []any{"lobby", 1}}, ErrClaims},
		"rooms of nulls":                     {members{"rooms": []any{"lobby", nil}}, ErrClaims},
		"rooms of lists":                     {members{"rooms": []any{[]string{"lobby"}}}, ErrClaims},
		"can that is one string":             {members{"can": "join"}, ErrClaims},
		"can that is a string with spaces":   {members{"can": "join signal"}, ErrClaims},
		"can that is an object":              {members{"can": members{"join": true}}, ErrClaims},
		"can of booleans":                    {members{"can": []any{true}}, ErrClaims},
		"can with verbs nobody knows":        {members{"can": []string{"join", "mallory", "signal"}}, nil},
		"no exp":                             {members{"exp": nil}, ErrClaims},
		"an exp of null":                     {members{"exp": json.RawMessage("null")}, ErrClaims},
		"an exp that is a string":            {members{"exp": "2026-03-01T13:00:00Z"}, ErrClaims},
		"an exp that is digits in a string":  {members{"exp": "1772370000"}, ErrClaims},
		"an exp that is true":                {members{"exp": true}, ErrClaims},
		"an exp of zero":                     {members{"exp": 0}, ErrExpired},
		"an exp below zero":                  {members{"exp": -1}, ErrClaims},
		"an exp long past":                   {members{"exp": unix - 3600}, ErrExpired},
		"an exp within the leeway":           {members{"exp": unix - 9}, nil},
		"an exp as old as the leeway":        {members{"exp": unix - 10}, ErrExpired},
		"an exp with a fraction":             {members{"exp": float64(unix) + 3600.75}, nil},
		"an exp past, with a fraction":       {members{"exp": float64(unix) - 9.5}, ErrExpired},
		"an exp with an exponent":            {members{"exp": json.RawMessage("9.0e9")}, nil},
		"an exp in the year 9999":            {members{"exp": maxDate}, nil},
		"an exp after it":                    {members{"exp": maxDate + 1}, ErrClaims},
		"an exp in milliseconds":             {members{"exp": unix * 1000}, ErrClaims},
		"an exp of 2^63":                     {members{"exp": uint64(math.MaxInt64) + 1}, ErrClaims},
		"an exp of 1e300":                    {members{"exp": 1e300}, ErrClaims},
		"an exp of 1e999":                    {members{"exp": json.RawMessage("1e999")}, ErrClaims},
		"nbf now":                            {members{"nbf": unix}, nil},
		"nbf within the leeway":              {members{"nbf": unix + 10}, nil},
		"nbf in the future":                  {members{"nbf": unix + 11}, ErrNotYetValid},
		"nbf that is a string":               {members{"nbf": "mallory"}, ErrClaims},
		"nbf of 1e300":                       {members{"nbf": 1e300}, ErrClaims},
		"iat in the future, which is no use": {members{"iat": unix + 3600}, nil},
		"iat that is a string":               {members{"iat": "now"}, ErrClaims},
		"no iss":                             {members{"iss": nil}, ErrIssuer},
		"an empty iss":                       {members{"iss": ""}, ErrIssuer},
		"another iss":                        {members{"iss": "https://mallory.example"}, ErrIssuer},
		"an iss that is longer":              {members{"iss": "https://app.example.mallory"}, ErrIssuer},
		"an iss with a slash more":           {members{"iss": "https://app.example/"}, ErrIssuer},
		"an iss that is a list":              {members{"iss": []string{"https://app.example"}}, ErrClaims},
		"no aud":                             {members{"aud": nil}, ErrAudience},
		"an empty aud":                       {members{"aud": ""}, ErrAudience},
		"an empty list for aud":              {members{"aud": []string{}}, ErrAudience},
		"another aud":                        {members{"aud": "mallory"}, ErrAudience},
		"an aud in another case":             {members{"aud": "Parley"}, ErrAudience},
		"an aud among others":                {members{"aud": []string{"api", "parley"}}, nil},
		"others for aud":                     {members{"aud": []string{"api", "mallory"}}, ErrAudience},
		"an aud in one string with others":   {members{"aud": "api parley"}, ErrAudience},
		"an aud of numbers":                  {members{"aud": []any{"parley", 7}}, ErrClaims},
		"an aud that is an object":           {members{"aud": members{"parley": true}}, ErrClaims},
		"an aud of null":                     {members{"aud": json.RawMessage("null")}, ErrClaims},
		"expired, of another issuer":         {members{"exp": unix - 60, "iss": "mallory"}, ErrExpired},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := f.verify(t, token(head("HS256", ""), good(c.changes), []byte(secret)))
			if !errors.Is(err, c.want) {
				t.Fatalf("Verify = %+v, %v; want %v", claims, err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "mallory") {
				t.Errorf("error %q repeats what is in the token", err)
			}
			for _, verb := range claims.Can {
				if verb != Join && verb != Signal {
					t.Errorf("Can holds %q", verb)
				}
			}
		})
	}
}

func TestClaimsAreReadToTheLetter(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}})
	for name, c := range map[string]struct {
		payload string
		want    error
	}{
		"white space":                         {"\n{ \"sub\" :\t\"ada\" ,\r\n \"exp\" : 9000000000 , \"rooms\" : [ ] }\n", nil},
		"escapes":                             {`{"\u0073ub":"\u0061da","exp":9000000000}`, nil},
		"another case of a name is another":   {`{"sub":"ada","Sub":"mallory","SUB":7,"exp":9000000000}`, nil},
		"two subs":                            {`{"sub":"ada","exp":9000000000,"sub":"mallory"}`, ErrClaims},
		"two subs, one with an escape":        {`{"sub":"ada","exp":9000000000,"s\u0075b":"mallory"}`, ErrClaims},
		"two exps":                            {`{"sub":"ada","exp":1,"exp":9000000000}`, ErrClaims},
		"two rooms":                           {`{"sub":"ada","exp":9000000000,"rooms":[],"rooms":["*"]}`, ErrClaims},
		"two of what nobody knows":            {`{"sub":"ada","exp":9000000000,"x":1,"x":1}`, ErrClaims},
		"issuer and audience are not checked": {`{"sub":"ada","exp":9000000000,"iss":"x","aud":["y"]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			claims, err := f.verify(t, token(head("HS256", ""), c.payload, []byte(secret)))
			if !errors.Is(err, c.want) || err == nil && claims.Subject != "ada" {
				t.Errorf("Verify = %+v, %v; want ada or %v", claims, err, c.want)
			}
		})
	}
}

func TestExpiresIsInWholeSeconds(t *testing.T) {
	f := newFixture(t, Config{Secrets: []string{secret}})
	exp := float64(start.Unix()) + 60.75
	claims, err := f.verify(t, token(head("HS256", ""), good(members{"exp": exp}), []byte(secret)))
	if want := start.Add(time.Minute); err != nil || !claims.Expires.Equal(want) {
		t.Errorf("Expires = %v, %v; want %v", claims.Expires, err, want)
	}
}
