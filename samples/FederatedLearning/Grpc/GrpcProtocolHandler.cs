using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Grpc;

/// <summary>
/// gRPC for the unified server, on a port of its own. A client has one stream for the whole training, or polls; both
/// kinds may train together. This file is the life of the handler and what goes out; <see cref="GrpcService"/> is what
/// comes in.
/// </summary>
public sealed class GrpcProtocolHandler : IProtocolHandler
{
    /// <summary>The protocol's name.</summary>
    public const string ProtocolName = "grpc";

    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly GrpcSettings _settings;
    private readonly ILoggerFactory _loggers;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _givenUp = new();
    private readonly Lock _lock = new();

    private HandlerContext? _context;
    private WebApplication? _app;
    private Task _sending = Task.CompletedTask;
    private Task _watching = Task.CompletedTask;
    private Task? _stopped;

    /// <summary>Makes the handler; nothing listens yet.</summary>
    /// <param name="settings">Where it listens.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    public GrpcProtocolHandler(GrpcSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_settings, _loggers, _time) = (settings, loggers, time ?? TimeProvider.System);
        Log = loggers.CreateLogger<GrpcProtocolHandler>();
    }

    /// <inheritdoc/>
    public string Name => ProtocolName;

    /// <summary>The port that it listens on, once it has started.</summary>
    public int Port { get; private set; }

    internal ILogger Log { get; }

    internal GrpcSettings Settings => _settings;

    internal TimeProvider Time => _time;

    internal ClientWays<GrpcWay> Ways { get; } = new();

    internal HandlerContext Context => _context!;

    internal ClientInbox Inbox { get; private set; } = null!;

    /// <summary>Nothing more is taken in.</summary>
    internal CancellationToken Stopping => _stopping.Token;

    /// <summary>Nothing more is sent.</summary>
    internal CancellationToken GivenUp => _givenUp.Token;

    /// <inheritdoc/>
    public async Task StartAsync(HandlerContext context, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(context);
        _context = context;
        Inbox = new ClientInbox(context.Federation, context.Traffic);
        context.Traffic.CountReconnectsBy(() => Ways.Returned);
        _app = Build();
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            throw new InvalidOperationException(
                $"gRPC cannot listen on {_settings.Bind}:{_settings.Port}: {error.GetBaseException().Message}; "
                    + "set GRPC_PORT to another.", error);
        }
        Port = new Uri(_app.Urls.Single()).Port;
        Log.ServerStarted($"{_settings.Bind}:{Port}");
        _sending = Task.Run(SendAllAsync, CancellationToken.None);
        _watching = Task.Run(WatchPollersAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
            return _stopped ??= StopOnceAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(StopPatience, _time);
        await StopAsync(patience.Token);
        _stopping.Dispose();
        _givenUp.Dispose();
    }

    /// <summary>A client has registered, by whichever way. The last to register has the id.</summary>
    internal void Enter(ClientId client, GrpcWay way, string kind)
    {
        var before = Ways.Set(client, way);
        before?.Post(new Rejected("another connection has registered with this id") { Recipient = client });
        Log.Registered(client.Value, kind);
    }

    // First nothing more comes in, then what waits goes out, then the streams end, then the port is closed.
    private async Task StopOnceAsync(CancellationToken cancellationToken)
    {
        await _stopping.CancelAsync();
        await using (cancellationToken.Register(_givenUp.Cancel))
        {
            await _sending;
            foreach (var (_, way) in Ways.All) way.Complete();
            await _watching;
            if (_app is not null)
            {
                await _app.StopAsync(_givenUp.Token); // waits for the streams, which end when all is written
                await _app.DisposeAsync();
            }
        }
        Log.ServerStopped();
    }

    private WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Logging.SetMinimumLevel(LogLevel.None);
        builder.Services.AddSingleton(this);
        builder.Services.AddGrpc(
            grpc => grpc.MaxReceiveMessageSize = grpc.MaxSendMessageSize = GrpcSettings.MaxMessage);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            // Messages are bounded by gRPC. A client that trains does not read meanwhile; one that never does meets the
            // send time-out.
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MaxConcurrentConnections = 2 * ClientWays<GrpcWay>.Capacity;
            kestrel.Limits.Http2.InitialStreamWindowSize = 4 << 20;
            kestrel.Limits.Http2.InitialConnectionWindowSize = 8 << 20;
            kestrel.Limits.Http2.KeepAlivePingDelay = _settings.KeepAlive;
            kestrel.Limits.Http2.KeepAlivePingTimeout = _settings.KeepAlive;
            kestrel.Listen(_settings.Bind, _settings.Port, listen =>
            {
                listen.Protocols = HttpProtocols.Http2; // without TLS there is nothing that would negotiate it
                if (_settings.CertificateFile is { } file)
                    listen.UseHttps(X509Certificate2.CreateFromPemFile(file, _settings.KeyFile));
            });
        });
        var app = builder.Build();
        app.Use(CountRefusedAsync);
        app.MapGrpcService<GrpcService>();
        return app;
    }

    // Calls that do not get as far as the service: an unknown method, a message that is too large or none at all. The
    // library answers them.
    private async Task CountRefusedAsync(HttpContext http, RequestDelegate next)
    {
        await next(http);
        string? status = http.Features.Get<IHttpResponseTrailersFeature>()?.Trailers["grpc-status"].FirstOrDefault()
            ?? http.Response.Headers["grpc-status"].FirstOrDefault();
        bool isHttpError = http.Response.StatusCode >= 400;
        // 2 not to be read, 8 too large, 12 unknown method, 13 broken off. The service itself answers with none of
        // them.
        if (!isHttpError && status is not ("2" or "8" or "12" or "13")) return;
        string reason = isHttpError ? $"HTTP {http.Response.StatusCode}" : $"gRPC status {status}";
        Log.Refused(http.Connection.RemoteIpAddress?.ToString() ?? "a peer", reason);
        await Context.Federation.MessageRefusedAsync(null, reason);
    }

    private async Task SendAllAsync()
    {
        try
        {
            await foreach (var message in Context.Outgoing.TakeAllAsync(_givenUp.Token))
            {
                var recipients = Ways.RecipientsOf(message);
                foreach (var (_, way) in recipients) way.Post(message);
                if (message.Recipient is not { } one) continue;
                if (recipients.Count == 0) Log.Unknown(one.Value, message.MessageType);
                else if (message is Rejected && recipients[0].Value is StreamWay) Ways.Remove(one);
            }
        }
        catch (OperationCanceledException) when (_givenUp.IsCancellationRequested)
        {
            // The end of patience: what is left is given up.
        }
        catch (Exception error)
        {
            Log.Failed(error);
            await Context.Federation.HandlerFailedAsync(error);
        }
    }

    // Of a client that polls nothing else tells that it is gone.
    private async Task WatchPollersAsync()
    {
        using var timer = new PeriodicTimer(_settings.PollTimeout / 4, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                foreach (var (client, way) in Ways.All)
                {
                    if (way is PollWay poll && poll.Silence > _settings.PollTimeout && Ways.Remove(client, way))
                        await Context.Federation.ClientLeftAsync(client, "it has not called for long", _stopping.Token);
                }
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Stopped.
        }
    }
}
