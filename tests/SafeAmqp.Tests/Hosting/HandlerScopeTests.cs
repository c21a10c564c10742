using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;

namespace SafeAmqp.Tests.Hosting;

public sealed class HandlerScopeTests
{
    private const int Patience = 20_000;

    [Fact(Timeout = Patience)]
    public async Task Each_delivery_gets_a_handler_in_a_scope_of_its_own_that_ends_before_the_delivery_is_settled()
    {
        var trace = new Trace();
        await using var host = await StartedAsync(
            amqp => amqp.AddConsumer<TracingConsumer>("orders"), trace, "consume orders");
        trace.Lines.Clear();

        Assert.Equal(
            AmqpSettlement.Reject,
            await host.Client.Handlers["orders"](FakeClient.Delivery("orders"), CancellationToken.None));
        Assert.Equal(["handle orders in scope 2", "end of scope 2"], trace.Lines);

        await host.Client.Handlers["orders"](FakeClient.Delivery("orders"), CancellationToken.None);
        Assert.Equal(["handle orders in scope 3", "end of scope 3"], trace.Lines[2..]);
    }

    [Fact(Timeout = Patience)]
    public async Task A_delegate_can_take_services_from_the_deliverys_scope()
    {
        var trace = new Trace();
        await using var host = await StartedAsync(amqp => amqp.AddConsumer("orders", (services, delivery, _) =>
        {
            trace.Lines.Add($"scope {services.GetRequiredService<Scope>().Number}");
            return new(AmqpSettlement.Requeue);
        }), trace, "consume orders");

        Assert.Equal(
            AmqpSettlement.Requeue,
            await host.Client.Handlers["orders"](FakeClient.Delivery("orders"), CancellationToken.None));
        Assert.Equal(["scope 1", "end of scope 1"], trace.Lines);
    }

    [Fact(Timeout = Patience)]
    public async Task A_request_is_answered_by_a_server_in_a_scope_of_its_own()
    {
        var trace = new Trace();
        await using var host = await StartedAsync(
            amqp => amqp.AddServer<TracingServer>("prices"), trace, "serve prices");
        trace.Lines.Clear();

        var reply = await host.Client.Servers["prices"](
            FakeClient.Delivery("prices", new byte[] { 7 }), CancellationToken.None);

        Assert.Equal([7], reply.Body.ToArray());
        Assert.Equal(["serve in scope 2", "end of scope 2"], trace.Lines);
    }

    [Fact(Timeout = Patience)]
    public async Task A_request_with_many_replies_has_a_scope_that_ends_behind_the_last_or_where_they_are_left()
    {
        var trace = new Trace();
        await using var host = await StartedAsync(
            amqp => amqp.AddManyServer<CountingServer>("numbers"), trace, "serve numbers");
        trace.Lines.Clear();

        await foreach (var reply in host.Client.ManyServers["numbers"](FakeClient.Delivery("numbers"),
            CancellationToken.None))
            trace.Lines.Add($"got {reply.Body.Span[0]}");
        Assert.Equal(["1 in scope 2", "got 1", "2 in scope 2", "got 2", "end of scope 2"], trace.Lines);

        trace.Lines.Clear();
        await foreach (var _ in host.Client.ManyServers["numbers"](FakeClient.Delivery("numbers"),
            CancellationToken.None))
            break;
        Assert.Equal(["1 in scope 3", "end of scope 3"], trace.Lines);
    }

    [Fact(Timeout = Patience)]
    public async Task The_scope_of_a_handler_that_throws_ends_too_and_the_client_sees_the_exception()
    {
        var trace = new Trace();
        await using var host = await StartedAsync(amqp => amqp.AddConsumer("orders", (services, _, _) =>
        {
            services.GetRequiredService<Scope>();
            throw new InvalidOperationException("no");
        }), trace, "consume orders");

        await Assert.ThrowsAsync<InvalidOperationException>(async () =>
            await host.Client.Handlers["orders"](FakeClient.Delivery("orders"), CancellationToken.None));
        Assert.Equal(["end of scope 1"], trace.Lines);
    }

    [Fact(Timeout = Patience)]
    public async Task A_handler_gets_the_token_of_its_delivery()
    {
        using var lost = new CancellationTokenSource();
        CancellationToken seen = default;
        await using var host = await StartedAsync(amqp => amqp.AddConsumer("orders", (_, token) =>
        {
            seen = token;
            return new(AmqpSettlement.Ack);
        }), new Trace(), "consume orders");

        await host.Client.Handlers["orders"](FakeClient.Delivery("orders"), lost.Token);

        Assert.Equal(lost.Token, seen);
    }

    [Fact]
    public void A_handler_that_is_registered_already_keeps_its_lifetime()
    {
        var services = new ServiceCollection();
        services.AddSingleton<TracingServer>();

        services.AddSafeAmqp().AddServer<TracingServer>("prices");

        Assert.Equal(
            ServiceLifetime.Singleton,
            services.Single(service => service.ServiceType == typeof(TracingServer)).Lifetime);
    }

    [Fact]
    public void Arguments_are_checked_where_they_are_given()
    {
        var amqp = new ServiceCollection().AddSafeAmqp();

        Assert.Throws<ArgumentException>(() => amqp.AddConsumer<TracingConsumer>(""));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => amqp.AddConsumer<TracingConsumer>("orders", new AmqpConsumerOptions { Prefetch = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(() => amqp.AddServer<TracingServer>("prices",
            new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Concurrency = 0 } }));
        Assert.Throws<ArgumentException>(() => amqp.AddManyServer<CountingServer>(""));
        Assert.Throws<ArgumentOutOfRangeException>(() => amqp.AddManyServer<CountingServer>("numbers",
            new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Concurrency = 0 } }));
        Assert.Throws<ArgumentNullException>(() => amqp.AddManyServer("numbers", (AmqpRepliesHandler)null!));
        Assert.Throws<ArgumentNullException>(() => amqp.AddTopology((AmqpTopology)null!));
        Assert.Throws<ArgumentOutOfRangeException>(() => amqp.WithDrainTimeout(TimeSpan.FromHours(1)));
    }

    private static async Task<TestHost> StartedAsync(Action<SafeAmqpBuilder> build, Trace trace, string entry)
    {
        var host = TestHost.Build(amqp =>
        {
            amqp.Services.AddSingleton(trace);
            amqp.Services.AddScoped<Scope>();
            build(amqp);
        });
        await host.StartAsync();
        await host.Client.SeenAsync(entry);
        return host;
    }

    private sealed class Trace
    {
        internal List<string> Lines { get; } = [];

        internal int Scopes { get; set; }
    }

    private sealed class Scope(Trace trace) : IAsyncDisposable
    {
        internal int Number { get; } = ++trace.Scopes;

        public ValueTask DisposeAsync()
        {
            trace.Lines.Add($"end of scope {Number}");
            return ValueTask.CompletedTask;
        }
    }

    private sealed class TracingConsumer(Trace trace, Scope scope) : IAmqpConsumer
    {
        public ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
        {
            trace.Lines.Add($"handle {delivery.Queue} in scope {scope.Number}");
            return new(AmqpSettlement.Reject);
        }
    }

    private sealed class TracingServer(Trace trace, Scope scope) : IAmqpServer
    {
        public ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned)
        {
            trace.Lines.Add($"serve in scope {scope.Number}");
            return new(new AmqpMessage { Body = request.Body });
        }
    }

    private sealed class CountingServer(Trace trace, Scope scope) : IAmqpManyServer
    {
        public async IAsyncEnumerable<AmqpMessage> HandleAsync(AmqpDelivery request,
            [EnumeratorCancellation] CancellationToken abandoned)
        {
            for (byte number = 1; number <= 2; number++)
            {
                await Task.Yield();
                trace.Lines.Add($"{number} in scope {scope.Number}");
                yield return new AmqpMessage { Body = (byte[])[number] };
            }
        }
    }
}
