using System.Net;
using System.Net.Sockets;
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
public sealed class GrpcProtocolHandler : ProtocolHandler
{
    /// <summary>The protocol's name.</summary>
    public const string ProtocolName = "grpc";

    internal const string Title = "gRPC";

    private WebApplication? _app;
    private Task _watching = Task.CompletedTask;

    /// <summary>Makes the handler; nothing listens yet.</summary>
    /// <param name="settings">Where it listens.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    public GrpcProtocolHandler(GrpcSettings settings, ILoggerFactory loggers, TimeProvider? time = null)
        : base(ProtocolName, Title, loggers.CreateLogger<GrpcProtocolHandler>(), time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Settings = settings;
    }

    /// <summary>The port that it listens on, once it has started.</summary>
    public int Port { get; private set; }

    internal GrpcSettings Settings { get; }

    internal ClientWays<GrpcWay> Ways { get; } = new();

    // What the service needs, which the library makes for each call.
    internal new HandlerContext Context => base.Context;

    internal new ClientInbox Inbox => base.Inbox;

    internal new ILogger Log => base.Log;

    internal new TimeProvider Time => base.Time;

    internal new CancellationToken Stopping => base.Stopping;

    internal new CancellationToken GivenUp => base.GivenUp;

    /// <summary>A client has registered, by whichever way. The last to register has the id.</summary>
    internal void Enter(ClientId client, GrpcWay way, string kind)
    {
        var before = Ways.Set(client, way);
        before?.Post(new Rejected("another connection has registered with this id") { Recipient = client });
        Log.Registered(client.Value, kind);
    }

    /// <inheritdoc/>
    protected override async Task OpenAsync(CancellationToken cancellationToken)
    {
        Context.Traffic.CountReconnectsBy(() => Ways.Returned);
        _app = Build();
        try
        {
            await _app.StartAsync(cancellationToken);
        }
        catch (Exception error) when (error is IOException or SocketException)
        {
            throw new InvalidOperationException(
                $"gRPC cannot listen on {Settings.Bind}:{Settings.Port}: {error.GetBaseException().Message}; "
                    + "set GRPC_PORT to another.", error);
        }
        Port = new Uri(_app.Urls.Single()).Port;
        Log.ServerStarted($"{Settings.Bind}:{Port}");
        _watching = Task.Run(WatchPollersAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    protected override Task SendAsync(OutgoingMessage message)
    {
        var recipients = Ways.RecipientsOf(message);
        foreach (var (_, way) in recipients) way.Post(message);
        if (message.Recipient is { } one)
        {
            if (recipients.Count == 0) Drop(message, one);
            else if (message is Rejected && recipients[0].Value is StreamWay) Ways.Remove(one);
        }
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    protected override async Task CloseAsync()
    {
        foreach (var (_, way) in Ways.All) way.Complete();
        await _watching;
        if (_app is null) return;
        await _app.StopAsync(GivenUp); // waits for the streams, which end when all is written
        await _app.DisposeAsync();
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
            kestrel.Limits.Http2.KeepAlivePingDelay = Settings.KeepAlive;
            kestrel.Limits.Http2.KeepAlivePingTimeout = Settings.KeepAlive;
            kestrel.Listen(Settings.Bind, Settings.Port, listen =>
            {
                listen.Protocols = HttpProtocols.Http2; // without TLS there is nothing that would negotiate it
                if (Settings.CertificateFile is { } file)
                    listen.UseHttps(Tls.ReadCertificate(file, Settings.KeyFile));
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

    // Of a client that polls nothing else tells that it is gone.
    private async Task WatchPollersAsync()
    {
        using var timer = new PeriodicTimer(Settings.PollTimeout / 4, Time);
        try
        {
            while (await timer.WaitForNextTickAsync(Stopping))
            {
                foreach (var (client, way) in Ways.All)
                {
                    if (way is PollWay poll && poll.Silence > Settings.PollTimeout && Ways.Remove(client, way))
                        await Context.Federation.ClientLeftAsync(client, "it has not called for long", Stopping);
                }
            }
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // Stopped.
        }
    }
}
