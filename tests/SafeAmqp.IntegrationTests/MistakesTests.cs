using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SafeAmqp.Hosting;

namespace SafeAmqp.IntegrationTests;

/// <summary>
/// docs/mistakes.md is what is seen of the mistakes that are made in the first hours, made here one by one. With
/// SAFEAMQP_WRITE_PAGES=1 the test writes it anew.
/// </summary>
public sealed partial class MistakesTests(TestBroker broker) : FeatureTest(broker)
{
    /// <summary>What the options that bound a wait are set to.</summary>
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(6);

    /// <summary>A wait that is shorter ended by itself.</summary>
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(4);

    private static readonly byte[] Body = [1];

    private static readonly AmqpHandler Take = (_, _) => ValueTask.FromResult(AmqpSettlement.Ack);

    private static readonly Mistake[] Mistakes =
    [
        // Options
        new("No broker is named", c => new AmqpClient(new AmqpClientOptions())),
        new("The URI has no scheme", c => new AmqpClient(new AmqpClientOptions { Uri = "localhost" })),
        new("The URI is that of the management page",
            c => new AmqpClient(new AmqpClientOptions { Uri = "http://localhost:15672" })),
        new("A password with `/` is not percent-encoded",
            c => new AmqpClient(new AmqpClientOptions { Uri = "amqp://me:pa/ss@localhost/" })),
        new("A password with `#` is not percent-encoded",
            c => new AmqpClient(new AmqpClientOptions { Uri = "amqp://me:pa#ss@localhost/" })),
        new("The port is 99999", c => new AmqpClient(new AmqpClientOptions { Uri = "amqp://localhost:99999" })),
        new("A parameter of the URI is misspelt",
            c => new AmqpClient(new AmqpClientOptions { Uri = "amqp://localhost?hartbeat=10" })),
        new("`RequireTls` and `amqp://`",
            c => new AmqpClient(new AmqpClientOptions { Uri = "amqp://localhost", RequireTls = true })),
        new("`Heartbeat` is 1 s", c => new AmqpClient(new AmqpClientOptions
        { Uri = "amqp://localhost", Heartbeat = TimeSpan.FromSeconds(1) })),

        // Connecting
        new("No program listens on the port", c => c.OpenAsync(options => options.Uri = "amqp://127.0.0.1:1")),
        new("The password is wrong",
            c => c.OpenAsync(options => options.Uri = c.As("somebody", "wrong"))),
        new("The virtual host does not exist", c => c.OpenAsync(options => options.Uri = c.At("nowhere"))),
        new("`amqps://` to a port without TLS",
            c => c.OpenAsync(options => options.Uri = c.Uri.Replace("amqp://", "amqps://", StringComparison.Ordinal))),
        new("The host's name does not exist",
            c => c.OpenAsync(options => options.Uri = $"amqp://{c.NoHost("rabbit.example")}")),
        new("A peer takes the connection and says nothing", async c =>
        {
            using var silent = new Peer("");
            await c.OpenAsync(options => options.Uri = $"amqp://127.0.0.1:{silent.Port}");
        }, "ConnectTimeout"),
        new("A web server is on the port", async c =>
        {
            using var web = new Peer("HTTP/1.1 400 Bad Request\r\n\r\n");
            await c.OpenAsync(options => options.Uri = $"amqp://127.0.0.1:{web.Port}");
        }),

        // Declaring
        new("An exchange of the type `Topic`", c => new AmqpTopology().Exchange("news", "Topic")),
        new("An exchange of the type `dirct`", c => new AmqpTopology().Exchange("news", "dirct")),
        new("An exchange of a plugin that is not enabled",
            c => c.DeclareAsync(new AmqpTopology().Exchange(c.Name("news"), "x-delayed-message"))),
        new("A queue that exists is declared with a `MessageTtl`", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("orders")), Cancelled);
            await c.DeclareAsync(new AmqpTopology().With(new AmqpQueue
            { Name = c.Name("orders"), MessageTtl = TimeSpan.FromMinutes(1) }));
        }),
        new("A queue that exists is declared as a quorum queue", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().ClassicQueue(c.Name("orders")), Cancelled);
            await c.DeclareAsync(new AmqpTopology().QuorumQueue(c.Name("orders")));
        }),
        new("An exchange that exists is declared with another type", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Exchange(c.Name("news"), "topic"), Cancelled);
            await c.DeclareAsync(new AmqpTopology().Exchange(c.Name("news"), "fanout"));
        }),
        new("A binding to an exchange that is not declared",
            c => c.DeclareAsync(new AmqpTopology().Queue(c.Name("orders"))
                .Bind(c.Name("news")).ToQueue(c.Name("orders")))),
        new("`Passive` for a queue that does not exist",
            c => c.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = c.Name("orders"), Passive = true }))),
        new("An exclusive queue of another connection is declared", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().With(new AmqpQueue
            { Name = c.Name("orders"), Exclusive = true, Durable = false }), Cancelled);
            await c.DeclareAsync(new AmqpTopology().Queue(c.Name("orders")));
        }),
        new("A queue whose name begins with `amq.`", c => c.DeclareAsync(new AmqpTopology().Queue("amq.orders"))),
        new("A quorum queue that is not durable", c => new AmqpTopology().With(new AmqpQueue
        { Name = "orders", Type = AmqpQueueType.Quorum, Durable = false })),
        new("A queue without a name", c => new AmqpTopology().Queue("")),

        // Publishing
        new("To an exchange that does not exist",
            c => c.PublishAsync(AmqpMessage.ToExchange(c.Name("news"), "key", Body))),
        new("To a queue that does not exist", c => c.PublishAsync(AmqpMessage.ToQueue(c.Name("orders"), Body))),
        new("With a key that no binding matches", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Exchange(c.Name("news"), "direct")
                .Queue(c.Name("orders")).Bind(c.Name("news"), "order.made").ToQueue(c.Name("orders")), Cancelled);
            await c.PublishAsync(AmqpMessage.ToExchange(c.Name("news"), "order.mdae", Body));
        }),
        new("A body above `MaxMessageSize`",
            c => c.PublishAsync(AmqpMessage.ToQueue(c.Name("orders"), new byte[(16 << 20) + 1]))),
        new("A body above the broker's `max_message_size`", async c =>
        {
            c.NewClient(options => options.MaxMessageSize = 32 << 20);
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("orders")), Cancelled);
            await c.PublishAsync(AmqpMessage.ToQueue(c.Name("orders"), new byte[(16 << 20) + 1]));
        }),
        new("Headers that do not fit a frame", c => c.PublishAsync(AmqpMessage.ToQueue("orders", Body) with
        { Headers = new Dictionary<string, object?> { ["document"] = new string('a', 200_000) } })),
        new("A header of a type that AMQP does not have", c => c.PublishAsync(AmqpMessage.ToQueue("orders", Body) with
        { Headers = new Dictionary<string, object?> { ["price"] = new Version(1, 0) } })),
        new("A queue is full, and rejects what comes", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().With(new AmqpQueue
            { Name = c.Name("orders"), MaxLength = 1, Overflow = AmqpOverflow.RejectPublish }), Cancelled);
            await c.Other.PublishAsync(AmqpMessage.ToQueue(c.Name("orders"), Body), Cancelled);
            await c.PublishAsync(AmqpMessage.ToQueue(c.Name("orders"), Body));
        }),
        new("`UserId` of somebody else", c => c.PublishAsync(
            AmqpMessage.ToQueue(c.Name("orders"), Body) with { UserId = "somebody" })),
        new("The broker is away", async c =>
        {
            AmqpClient client = c.NewClient(options => options.Uri = "amqp://127.0.0.1:1");
            await client.PublishAsync(AmqpMessage.ToQueue("orders", Body), Cancelled);
        }, "PublishTimeout"),
        new("The client is disposed", async c =>
        {
            AmqpClient client = await c.ConnectAsync();
            await client.DisposeAsync();
            await client.PublishAsync(AmqpMessage.ToQueue("orders", Body), Cancelled);
        }),

        // Consuming
        new("A queue that does not exist is consumed", c => c.ConsumeAsync(c.Name("orders"), Take)),
        new("`Prefetch` is 0", c => c.ConsumeAsync(c.Name("orders"), Take, new AmqpConsumerOptions { Prefetch = 0 })),
        new("A queue that has an exclusive consumer is consumed", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("orders")), Cancelled);
            await c.Other.ConsumeAsync(c.Name("orders"), Take, new AmqpConsumerOptions { Exclusive = true }, Cancelled);
            await c.ConsumeAsync(c.Name("orders"), Take);
        }),
        new("The handler throws", async c =>
        {
            await c.HandleAsync((_, _) => throw new InvalidOperationException("The order has no customer."));
            return "the delivery is held and handled again, then dead-lettered";
        }),
        new("The handler cannot read the body", async c =>
        {
            await c.HandleAsync((_, _) => throw new AmqpUnreadableException("The order is no JSON."));
            return "the delivery is rejected, as another try would fail, too";
        }),
        new("A stream is read with `GetAsync`", async c =>
        {
            AmqpClient client = await c.ConnectAsync();
            await client.DeclareAsync(new AmqpTopology().Stream(c.Name("events")), Cancelled);
            await client.Admin.GetAsync(c.Name("events"), Cancelled);
        }),

        // Calls
        new("A queue that does not exist is called", c => c.CallAsync(c.Name("prices"))),
        new("A queue is called that no server consumes", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("prices")), Cancelled);
            await c.CallAsync(c.Name("prices"));
        }, "AmqpCallOptions.Timeout"),
        new("The server's handler throws", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("prices")), Cancelled);
            AmqpClient server = await c.ConnectAsync();
            await server.ServeAsync(c.Name("prices"),
                (_, _) => throw new InvalidOperationException("There is no such price."), cancellationToken: Cancelled);
            await c.CallAsync(c.Name("prices"));
        }),
        new("A server's queue is published to", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("prices")), Cancelled);
            AmqpClient server = await c.ConnectAsync();
            await server.ServeAsync(c.Name("prices"), (request, _) => ValueTask.FromResult(new AmqpMessage()),
                cancellationToken: Cancelled);
            await c.Other.PublishAsync(AmqpMessage.ToQueue(c.Name("prices"), Body), Cancelled);
            await c.UntilToldAsync();
            return "the request is handled, and the answer has no address";
        }),

        // Hosts
        new("A host without a broker's address", c => c.StartHostAsync(_ => { }, amqp => { })),
        new("A host whose configuration has `Heartbeet`", c => c.StartHostAsync(
            settings => settings["SafeAmqp:Heartbeet"] = "00:00:30", amqp => { }, isAddressed: true)),
        new("A host whose handler's service is not registered", c => c.StartHostAsync(_ => { },
            amqp => amqp.AddConsumer<OrderHandler>("orders"), isAddressed: true)),
        new("A host whose topology differs from what exists", async c =>
        {
            await c.Other.DeclareAsync(new AmqpTopology().Queue(c.Name("orders")), Cancelled);
            await c.StartHostAsync(_ => { }, amqp => amqp.AddTopology(new AmqpTopology().With(
                new AmqpQueue { Name = c.Name("orders"), Durable = false })), isAddressed: true);
            await c.UntilToldAsync();
            return "the host starts, and tries again";
        }),
        new("A host whose consumer's queue does not exist", async c =>
        {
            await c.StartHostAsync(_ => { }, amqp => amqp.AddConsumer(c.Name("orders"), Take), isAddressed: true);
            await c.UntilToldAsync();
            return "the host starts, and tries again";
        }),
    ];

    [Fact]
    public async Task The_page_has_what_is_seen_of_every_mistake()
    {
        Assert.SkipWhen(!Broker.IsEmbedded && Broker.RabbitMq.Version < new Version(4, 0), "The page is RabbitMQ 4's.");
        var page = new StringBuilder("""
            # Common mistakes and their symptoms

            A test makes each of these mistakes on RabbitMQ 4, and fails when the symptoms differ from this table.
            *At once* means without waiting for anything; otherwise the option that bounds the wait is named. Health is
            that of the readiness check afterwards. A mistake whose message has a page of its own links to it.

            | mistake | what happens | first warning or error in the log | when | health |
            |---|---|---|---|---|

            """);
        Assert.True(Mistakes.Length >= 40);
        foreach (Mistake mistake in Mistakes)
        {
            await using var made = new Case(this);
            (string outcome, TimeSpan took) = await made.MakeAsync(mistake);
            string when = took < AtOnce ? "at once" : $"within `{mistake.Within}`";
            Assert.True(took < (mistake.Within is null ? AtOnce : Bound + AtOnce), $"{mistake.What} took {took}.");
            Assert.False(outcome.Length == 0 && made.FirstLine is null, $"Nothing is seen of: {mistake.What}");
            string? about = MessagePages.All.FirstOrDefault(one => one.Message.IsMatch(
                $"{outcome} {made.FirstLine}".Replace("\\", "", StringComparison.Ordinal))).Name;
            string what = about is null ? mistake.What : $"[{mistake.What}](messages/{about}.md)";
            page.Append($"| {what} | {outcome} | {made.FirstLine} | {when} | {made.Health} |\n");
        }
        string path = Path.Combine(Repository.Root, "docs", "mistakes.md");
        if (Environment.GetEnvironmentVariable("SAFEAMQP_WRITE_PAGES") == "1")
            await File.WriteAllTextAsync(path, page.ToString(), Cancelled);
        Assert.Equal(await File.ReadAllTextAsync(path, Cancelled), page.ToString());
    }

    private sealed record Mistake(string What, Func<Case, Task<string>> Make, string? Within = null)
    {
        internal Mistake(string what, Func<Case, Task> make, string? within = null)
            : this(what, async made =>
            {
                await make(made);
                return "";
            }, within)
        {
        }

        internal Mistake(string what, Func<Case, object> make) : this(what, made =>
        {
            make(made);
            return Task.FromResult("");
        })
        {
        }
    }

    /// <summary>One mistake: a client of its own, names of its own, and what was seen.</summary>
    private sealed partial class Case(MistakesTests test) : ILoggerFactory, IAsyncDisposable
    {
        private readonly Dictionary<string, string> _names = [];
        private readonly ConcurrentQueue<string> _lines = [];
        private readonly List<IAsyncDisposable> _owned = [];
        private AmqpClient? _client;
        private ServiceProvider? _host;
        private AmqpClient? _other;
        private long _begin;

        internal string Uri => test.Broker.Uri;

        /// <summary>A client that makes no mistake.</summary>
        internal AmqpClient Other => _other ??= test.NewClient();

        internal string? FirstLine => _lines.FirstOrDefault();

        internal string Health { get; private set; } = "–";

        internal string As(string user, string password)
            => new UriBuilder(Uri) { UserName = user, Password = password }.Uri.ToString();

        internal string At(string virtualHost) => new UriBuilder(Uri) { Path = virtualHost }.Uri.ToString();

        internal string Name(string plain)
        {
            if (!_names.TryGetValue(plain, out string? name))
                _names.Add(plain, name = test.NewName("m"));
            return name;
        }

        internal string NoHost(string plain)
        {
            _names[plain] = HostNames.NoHost;
            return HostNames.NoHost;
        }

        internal async Task<(string, TimeSpan)> MakeAsync(Mistake mistake)
        {
            await Other.OpenAsync(Cancelled);
            string outcome;
            _begin = TimeProvider.System.GetTimestamp();
            try
            {
                outcome = await mistake.Make(this);
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                outcome = $"`{error.GetType().Name}`: {Plain(error.Message)}";
            }
            TimeSpan took = TimeProvider.System.GetElapsedTime(_begin);
            if (_host is not null)
            {
                IReadOnlyList<string> missing = _host.GetRequiredService<AmqpHostedService>().Missing;
                Health = SafeAmqp.Hosting.Health.Readiness(_host.GetRequiredService<IAmqpClient>().Status,
                    missing.Count == 0).ToString();
            }
            else if (_client is { IsDisposed: false })
            {
                Health = SafeAmqp.Hosting.Health.Readiness(_client.Status, isComplete: true).ToString();
            }
            return (outcome, took);
        }

        internal AmqpClient NewClient(Action<AmqpClientOptions>? configure = null)
            => _client = test.NewClient(options =>
        {
            options.ClientName = "shop";
            options.LoggerFactory = this;
            options.ConnectTimeout = options.PublishTimeout = options.OperationTimeout = Bound;
            configure?.Invoke(options);
        });

        /// <summary>What comes before the mistake is not timed.</summary>
        internal async Task<AmqpClient> ConnectAsync()
        {
            AmqpClient client = _client ?? NewClient();
            await client.OpenAsync(Cancelled);
            _begin = TimeProvider.System.GetTimestamp();
            return client;
        }

        /// <summary>Fails, and waits for the line about it.</summary>
        internal async Task OpenAsync(Action<AmqpClientOptions> configure)
        {
            try
            {
                await NewClient(options =>
                {
                    options.FirstConnect = AmqpFirstConnect.FailFast;
                    configure(options);
                }).OpenAsync(Cancelled);
            }
            finally
            {
                await UntilToldAsync();
            }
        }

        internal async Task DeclareAsync(AmqpTopology topology)
            => await (await ConnectAsync()).DeclareAsync(topology, Cancelled);

        internal async Task PublishAsync(AmqpMessage message)
            => await (await ConnectAsync()).PublishAsync(message, Cancelled);

        internal async Task ConsumeAsync(string queue, AmqpHandler handler, AmqpConsumerOptions? options = null)
            => await (await ConnectAsync()).ConsumeAsync(queue, handler, options, Cancelled);

        internal async Task CallAsync(string queue)
            => await (await ConnectAsync()).CallAsync(AmqpMessage.ToQueue(queue, []),
                new AmqpCallOptions { Timeout = Bound }, Cancelled);

        /// <summary>Has a handler take one message, and waits for a line about it.</summary>
        internal async Task HandleAsync(AmqpHandler handler)
        {
            await Other.DeclareAsync(new AmqpTopology().Queue(Name("orders")), Cancelled);
            test.Named($"{Name("orders")}.dead");
            await ConsumeAsync(Name("orders"), handler);
            await Other.PublishAsync(AmqpMessage.ToQueue(Name("orders"), Body) with { MessageId = "17" }, Cancelled);
            await UntilToldAsync();
        }

        internal Task UntilToldAsync() => UntilAsync(() => FirstLine is not null);

        internal async Task StartHostAsync(Action<Dictionary<string, string?>> configure,
            Action<SafeAmqpBuilder> build, bool isAddressed = false)
        {
            var settings = new Dictionary<string, string?>();
            if (isAddressed)
                settings["SafeAmqp:Uri"] = Uri;
            configure(settings);
            var services = new ServiceCollection();
            services.AddSingleton<IConfiguration>(new ConfigurationBuilder().AddInMemoryCollection(settings).Build());
            services.AddSingleton<ILoggerFactory>(this);
            build(services.AddSafeAmqp(options => options.ClientName = "shop"));
            ServiceProvider host = services.BuildServiceProvider();
            _owned.Add(host);
            foreach (IHostedService service in host.GetServices<IHostedService>())
                await service.StartAsync(Cancelled);
            _host = host;
        }

        // What a run cannot repeat: names, ports, times, numbers of attempts.
        private string Plain(string text)
        {
            foreach (var (plain, name) in _names)
                text = text.Replace(name, plain, StringComparison.Ordinal);
            text = text.Replace($":{new Uri(Uri).Port}", ":5672", StringComparison.Ordinal).ReplaceLineEndings(" ");
            text = Times().Replace(text, "… $2");
            text = Ports().Replace(text, "127.0.0.1:…");
            text = Counts().Replace(text, "$1 …");
            return text.Replace("receive link", "send link", StringComparison.Ordinal)
                .Replace($"{typeof(MistakesTests).FullName}+", "", StringComparison.Ordinal)
                .Replace("while Preparing", "while Connecting", StringComparison.Ordinal)
                .Replace("|", "\\|", StringComparison.Ordinal).Replace("<", "\\<", StringComparison.Ordinal);
        }

        [GeneratedRegex(@"\b\d+(\.\d+)? (ms|s)\b")]
        private static partial Regex Times();

        [GeneratedRegex(@"127\.0\.0\.1:(?!1\b|5672\b)\d+")]
        private static partial Regex Ports();

        [GeneratedRegex(@"\b(attempt|delivery|failure) \d+")]
        private static partial Regex Counts();

        public async ValueTask DisposeAsync()
        {
            foreach (IAsyncDisposable owned in _owned)
                await owned.DisposeAsync();
            if (_client is not null)
                await _client.DisposeAsync();
            if (_other is not null)
                await _other.DisposeAsync();
        }

        public ILogger CreateLogger(string categoryName) => new Line(this);

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }

        private sealed class Line(Case made) : ILogger
        {
            public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

            public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

            public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
                Func<TState, Exception?, string> formatter)
            {
                if (IsEnabled(logLevel))
                    made._lines.Enqueue($"{eventId.Id} {logLevel}: {made.Plain(formatter(state, exception))}");
            }
        }
    }

    private sealed class OrderHandler(IFormatProvider missing) : IAmqpConsumer
    {
        public ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
            => ValueTask.FromResult(missing is null ? AmqpSettlement.Reject : AmqpSettlement.Ack);
    }

    /// <summary>Takes connections, and says what it has to say.</summary>
    private sealed class Peer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly List<TcpClient> _taken = [];

        internal Peer(string sends)
        {
            _listener.Start();
            _ = ServeAsync(sends);
        }

        internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        private async Task ServeAsync(string sends)
        {
            try
            {
                while (true)
                {
                    TcpClient client = await _listener.AcceptTcpClientAsync();
                    _taken.Add(client);
                    await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(sends));
                }
            }
            catch (Exception error) when (error is SocketException or InvalidOperationException or IOException)
            {
                // The test is over: during a wait, or before the next one
            }
        }

        public void Dispose()
        {
            _listener.Dispose();
            foreach (TcpClient client in _taken)
                client.Dispose();
        }
    }
}
