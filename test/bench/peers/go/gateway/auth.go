package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/hashicorp/golang-lru/v2/expirable"
	"golang.org/x/sync/singleflight"

	orchestratorv1 "foldforge.bench/peer/gen/foldforge/orchestrator/v1"
)

const (
	cacheTTL  = 30 * time.Second
	cacheSize = 10_000
)

type authenticator struct {
	adminDigest [sha256.Size]byte
	client      orchestratorv1.OrchestratorServiceClient
	// Principals by the hash of their key, and the keys that were denied, apart so that junk displaces no good key.
	allowed *expirable.LRU[string, string]
	denied  *expirable.LRU[string, struct{}]
	lookups singleflight.Group
}

func newAuthenticator(adminToken string, client orchestratorv1.OrchestratorServiceClient) *authenticator {
	return &authenticator{
		adminDigest: sha256.Sum256([]byte(adminToken)),
		client:      client,
		allowed:     expirable.NewLRU[string, string](cacheSize, nil, cacheTTL),
		denied:      expirable.NewLRU[string, struct{}](cacheSize, nil, cacheTTL),
	}
}

// Runs after the route has matched and before the body is read.
func (a *authenticator) middleware(next runtime.HandlerFunc) runtime.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request, params map[string]string) {
		if err := a.authenticate(r); err != nil {
			writeError(r.Context(), nil, nil, w, r, err)
			return
		}
		next(w, r, params)
	}
}

func (a *authenticator) authenticate(r *http.Request) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimLeft(token, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || strings.Contains(token, " ") {
		return errUnauthenticated
	}
	digest := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(digest[:], a.adminDigest[:]) == 1 {
		return nil
	}
	keyHash := hex.EncodeToString(digest[:])
	principal, ok := a.allowed.Get(keyHash)
	if !ok {
		var err error
		if principal, err = a.lookUp(r.Context(), keyHash); err != nil {
			return err
		}
	}
	current := requestOf(r.Context())
	current.keyHash, current.principal = keyHash, principal
	return nil
}

// Asks the orchestrator for a key, once for all requests that wait for it.
func (a *authenticator) lookUp(ctx context.Context, keyHash string) (string, error) {
	if a.denied.Contains(keyHash) {
		return "", errUnauthenticated
	}
	principal, err, _ := a.lookups.Do(keyHash, func() (any, error) {
		// Others may wait for it when the first client has disconnected.
		ctx := context.WithoutCancel(ctx)
		response, err := a.client.AuthenticateApiKey(ctx, &orchestratorv1.AuthenticateApiKeyRequest{KeyHash: keyHash})
		if err != nil {
			return "", errUnavailable
		}
		if !response.Allowed {
			a.denied.Add(keyHash, struct{}{})
			return "", errUnauthenticated
		}
		a.allowed.Add(keyHash, response.Principal)
		return response.Principal, nil
	})
	if err != nil {
		return "", err
	}
	return principal.(string), nil
}
