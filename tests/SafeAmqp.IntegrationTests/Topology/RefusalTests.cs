namespace SafeAmqp.IntegrationTests.Topology;

// What the broker refuses is named, and nothing else is harmed.
public sealed class RefusalTests(TestBroker broker) : FeatureTest(broker)
{
    private const string User = "refused", Password = "refused";

    public static TheoryData<string, AmqpConnectionLayout> Refusals
    {
        get
        {
            var data = new TheoryData<string, AmqpConnectionLayout>();
            foreach (string refusal in (string[])["mismatch", "locked", "forbidden", "missing"])
            {
                data.Add(refusal, AmqpConnectionLayout.Separate);
                data.Add(refusal, AmqpConnectionLayout.Shared);
            }
            return data;
        }
    }

    [Theory, MemberData(nameof(Refusals))]
    [Trait("Broker", "3.10")]
    public async Task A_declaration_that_is_refused_names_its_entity_while_publishes_consumers_and_calls_go_on(
        string refusal, AmqpConnectionLayout layout)
    {
        AmqpClient other = await ConnectAsync();
        string queue = await NewQueueAsync(other), entity = NewName();
        if (refusal == "forbidden")
        {
            // May write and read everything, and configure nothing but reply queues, whose names the broker makes.
            await Broker.Node.AddUserAsync(User, Password, Cancelled);
            await Broker.Node.SetPermissionsAsync(User, "^amq\\.gen.*", ".*", ".*", Cancelled);
        }
        try
        {
            AmqpClient amqp = await ConnectAsync(layout, options =>
            {
                if (refusal == "forbidden")
                    options.Uri = new UriBuilder(Broker.Uri) { UserName = User, Password = Password }.Uri.ToString();
            });
            await other.ServeAsync(queue, (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
                cancellationToken: Cancelled);
            string consumed = await NewQueueAsync(other);
            var inbox = new Inbox();
            AmqpSubscription subscription = await amqp.ConsumeAsync(
                consumed, inbox.HandleAsync, cancellationToken: Cancelled);
            using var stop = new CancellationTokenSource();
            int sent = 0, called = 0;
            var publishing = Task.Run(async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await amqp.PublishAsync(AmqpMessage.ToQueue(consumed, Bytes($"{sent}")), Cancelled);
                    sent++;
                }
            }, Cancelled);
            var calling = Task.Run(async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await amqp.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled);
                    called++;
                }
            }, Cancelled);
            await UntilAsync(() => sent > 10 && called > 10);

            (AmqpTopology bad, int code, string name) = refusal switch
            {
                "mismatch" => (
                    new AmqpTopology().With(new AmqpQueue { Name = consumed, MessageTtl = TimeSpan.FromMinutes(1) }),
                    406,
                    $"queue '{consumed}'"),
                "locked" => (new AmqpTopology().Queue(entity), 405, $"queue '{entity}'"),
                "forbidden" => (new AmqpTopology().Queue(entity), 403, $"queue '{entity}'"),
                _ => (new AmqpTopology().Bind(entity, "key").ToQueue(consumed), 404, $"binding of exchange '{entity}' "
                    + $"to queue '{consumed}' with key 'key'"),
            };
            if (refusal == "locked")
                await other.DeclareAsync(
                    new AmqpTopology().With(new AmqpQueue { Name = entity, Exclusive = true, Durable = false }),
                    Cancelled);
            for (int i = 0; i < 5; i++)
            {
                var error = await Assert.ThrowsAsync<AmqpTopologyException>(
                    async () => await amqp.DeclareAsync(bad, Cancelled));
                Assert.Equal((code, name), (error.ReplyCode, error.Entity));
                Assert.Contains(name, error.Message, StringComparison.Ordinal);
                Assert.NotNull(error.ReplyText);
                Assert.NotNull(error.Status);
            }

            int sentBefore = sent, calledBefore = called;
            await UntilAsync(() => sent > sentBefore + 10 && called > calledBefore + 10);
            await stop.CancelAsync();
            await InTime(Task.WhenAll(publishing, calling)); // not one of them failed
            await inbox.NextAsync(sent);
            Assert.Equal(Numbers(sent), inbox.All.Select(Text));
            Assert.All(inbox.All, delivery => Assert.False(delivery.IsRedelivered));
            Assert.Null(subscription.LastError);
            Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
        }
        finally
        {
            if (refusal == "forbidden")
                await Broker.Node.DeleteUserAsync(User, Cancelled);
        }
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task A_call_whose_reply_queue_is_refused_is_told_at_once()
    {
        string queue = await NewQueueAsync(await ConnectAsync());
        await Broker.Node.AddUserAsync(User, Password, Cancelled);
        await Broker.Node.SetPermissionsAsync(User, "^$", ".*", ".*", Cancelled);
        try
        {
            AmqpClient amqp = await ConnectAsync(options => options.Uri =
                new UriBuilder(Broker.Uri) { UserName = User, Password = Password }.Uri.ToString());
            for (int i = 0; i < 3; i++)
            {
                var error = await Assert.ThrowsAsync<AmqpNotSentException>(
                    () => InTime(amqp.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled)));
                Assert.Contains(
                    "the broker refused its reply queue: 403 ACCESS_REFUSED", error.Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            await Broker.Node.DeleteUserAsync(User, Cancelled);
        }
    }

    [Fact]
    public async Task Several_errors_at_once_are_all_named_and_what_is_right_is_declared()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), exchange = NewName(), missing = NewName(), good = NewName();
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Topic), Cancelled);
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(
            async () => await amqp.DeclareAsync(new AmqpTopology()
            .With(new AmqpQueue { Name = queue, Durable = false })
            .Exchange(exchange, AmqpExchangeType.Fanout)
            .Bind(missing, "key").ToQueue(queue)
            .Queue(good), Cancelled));
        Assert.Equal($"queue '{queue}'", error.Entity);
        Assert.Contains($"queue '{queue}': 406", error.Message, StringComparison.Ordinal);
        Assert.Contains($"exchange '{exchange}': 406", error.Message, StringComparison.Ordinal);
        Assert.Contains(
            $"binding of exchange '{missing}' to queue '{queue}' with key 'key': 404",
            error.Message,
            StringComparison.Ordinal);
        Assert.True(await witness.ExistsAsync(good));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    public static TheoryData<string, string, string> Differences => new()
    {
        { "durable", "true", "Durable so" },
        { "type", "direct", "Type so" },
        { "alternate-exchange", "none", "AlternateExchange so" },
        { "x-message-ttl", "none", "MessageTtl so" },
        { "x-max-length", "none", "MaxLength so" },
        { "x-queue-type", "classic", "Type so" },
    };

    [Theory, MemberData(nameof(Differences))]
    [Trait("Broker", "3.10")]
    public async Task What_exists_and_differs_is_told_with_both_values_and_how_to_adopt_it(
        string argument, string present, string adopt)
    {
        AmqpClient amqp = await ConnectAsync();
        string name = NewName();
        await amqp.DeclareAsync(new AmqpTopology().ClassicQueue(name).Exchange(name, AmqpExchangeType.Direct),
            Cancelled);
        var queue = new AmqpQueue { Name = name, Type = AmqpQueueType.Classic };
        var exchange = new AmqpExchange { Name = name };
        (AmqpTopology differing, string wanted) = argument switch
        {
            "durable" => (new AmqpTopology().With(exchange with { Durable = false }), "false"),
            "type" => (new AmqpTopology().With(exchange with { Type = AmqpExchangeType.Fanout }), "fanout"),
            "alternate-exchange" => (new AmqpTopology().With(exchange with { AlternateExchange = "other" }), "other"),
            "x-message-ttl" => (new AmqpTopology().With(queue with { MessageTtl = TimeSpan.FromMinutes(1) }), "60000"),
            "x-max-length" => (new AmqpTopology().With(queue with { MaxLength = 10 }), "10"),
            _ => (new AmqpTopology().With(queue with { Type = AmqpQueueType.Quorum }), "quorum"),
        };
        var errors = new List<AmqpTopologyException>();
        for (int i = 0; i < 2; i++)
        {
            errors.Add(await Assert.ThrowsAsync<AmqpTopologyException>(
                async () => await amqp.DeclareAsync(differing, Cancelled)));
        }
        string entity = argument.StartsWith("x-", StringComparison.Ordinal)
            ? $"queue '{name}'" : $"exchange '{name}'";
        Assert.Equal($"The broker did not accept {entity}: 406 PRECONDITION_FAILED - it exists with {argument} = "
            + $"{present}, and {wanted} was asked for; to adopt it set {adopt}, or Passive = true; to change it delete "
            + "it first.", errors[0].Message);
        Assert.Equal(errors[0].Message, errors[1].Message);
        Assert.StartsWith("PRECONDITION_FAILED - inequivalent arg", errors[0].ReplyText, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Topic", "Did you mean 'topic'?")]
    [InlineData("dirct", "Did you mean 'direct'?")]
    [InlineData("fan-out", "Did you mean 'fanout'?")]
    [InlineData("stream", null)]
    public void A_type_of_exchange_that_no_broker_has_is_refused_before_it_is_sent(string type, string? hint)
    {
        var error = Assert.Throws<ArgumentException>(() => new AmqpTopology().Exchange("news", type));
        Assert.Equal("Type", error.ParamName);
        Assert.Contains($"not '{type}'", error.Message, StringComparison.Ordinal);
        Assert.Equal(hint is not null, error.Message.Contains(hint ?? "Did you mean", StringComparison.Ordinal));
        _ = new AmqpTopology().With(new AmqpExchange { Name = "news", Type = type, CustomType = true })
            .Exchange("other", "x-delayed-message");
    }

    [Fact]
    public async Task Many_declarations_at_once_end_each_with_its_own_answer()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string wrong = await NewQueueAsync(amqp);
        string[] names = [.. Enumerable.Range(0, 50).Select(_ => NewName())];
        Task[] declarations = [.. names.Select((name, i) => amqp.DeclareAsync(i % 5 == 0
            ? new AmqpTopology().With(new AmqpQueue { Name = wrong, Durable = false })
            : new AmqpTopology().Queue(name), Cancelled))];
        for (int i = 0; i < declarations.Length; i++)
        {
            if (i % 5 == 0)
                Assert.Equal(
                    406, (await Assert.ThrowsAsync<AmqpTopologyException>(() => InTime(declarations[i]))).ReplyCode);
            else
                await InTime(declarations[i]);
            Assert.Equal(i % 5 != 0, await witness.ExistsAsync(names[i]));
        }
    }

    [Theory]
    [InlineData("queue name")]
    [InlineData("long name")]
    [InlineData("exchange name")]
    [InlineData("exchange type")]
    [InlineData("alternate")]
    [InlineData("binding to nothing")]
    [InlineData("binding to both")]
    [InlineData("binding key")]
    [InlineData("queue argument")]
    [InlineData("nested argument")]
    [InlineData("time to live")]
    [InlineData("expires")]
    [InlineData("length")]
    [InlineData("priority")]
    [InlineData("delivery limit")]
    [InlineData("transient quorum")]
    [InlineData("unknown type")]
    [InlineData("unknown overflow")]
    public void What_is_not_valid_is_refused_as_an_argument_that_is_named(string what)
    {
        string longName = new('ü', 128);
        (string Name, Func<AmqpTopology> Build) bad = what switch
        {
            "queue name" => ("Name", (Func<AmqpTopology>)(() => new AmqpTopology().Queue(""))),
            "long name" => ("Name", () => new AmqpTopology().Queue(longName)),
            "exchange name" => ("Name", () => new AmqpTopology().Exchange("", "topic")),
            "exchange type" => ("Type", () => new AmqpTopology().Exchange("e", "")),
            "alternate" => ("AlternateExchange", () =>
                new AmqpTopology().With(new AmqpExchange { Name = "e", AlternateExchange = longName })),
            "binding to nothing" => ("Queue", () => new AmqpTopology().With(new AmqpBinding { Exchange = "e" })),
            "binding to both" => ("ToExchange", () =>
                new AmqpTopology().With(new AmqpBinding { Exchange = "e", Queue = "q", ToExchange = "f" })),
            "binding key" => ("RoutingKey", () => new AmqpTopology().Bind("e", longName).ToQueue("q")),
            "queue argument" => ("Arguments['bad']", () => new AmqpTopology().With(
                new AmqpQueue { Name = "q", Arguments = new Dictionary<string, object?> { ["bad"] = new object() } })),
            "nested argument" => ("Arguments['list']", () => new AmqpTopology().With(new AmqpBinding
            {
                Exchange = "e",
                Queue = "q",
                Arguments = new Dictionary<string, object?> { ["list"] = new object[] { new Version(1, 0) } }
            })),
            "time to live" => ("MessageTtl", () =>
                new AmqpTopology().With(new AmqpQueue { Name = "q", MessageTtl = TimeSpan.FromDays(50) })),
            "expires" =>
                ("Expires", () => new AmqpTopology().With(new AmqpQueue { Name = "q", Expires = TimeSpan.Zero })),
            "length" => ("MaxLength", () => new AmqpTopology().With(new AmqpQueue { Name = "q", MaxLength = -1 })),
            "priority" => ("MaxPriority", () => new AmqpTopology().With(new AmqpQueue { Name = "q", MaxPriority = 0 })),
            "delivery limit" =>
                ("DeliveryLimit", () => new AmqpTopology().With(new AmqpQueue { Name = "q", DeliveryLimit = -1 })),
            "transient quorum" => ("Quorum", () =>
                new AmqpTopology().With(new AmqpQueue { Name = "q", Type = AmqpQueueType.Quorum, Durable = false })),
            "unknown type" =>
                ("Type", () => new AmqpTopology().With(new AmqpQueue { Name = "q", Type = (AmqpQueueType)9 })),
            _ => ("Overflow", () => new AmqpTopology().With(new AmqpQueue { Name = "q", Overflow = (AmqpOverflow)9 })),
        };
        var error = Assert.ThrowsAny<ArgumentException>(bad.Build);
        Assert.Contains(bad.Name, error.Message, StringComparison.Ordinal);
    }
}
