using System.Diagnostics;
using LocalBroker;
using SafeAmqp.IntegrationTests.Calls;
using SafeAmqp.IntegrationTests.Consuming;
using SafeAmqp.IntegrationTests.Guide;
using SafeAmqp.IntegrationTests.Hostile;
using SafeAmqp.IntegrationTests.Security;
using SafeAmqp.IntegrationTests.Topology;

namespace SafeAmqp.IntegrationTests;

/// <summary>A broker that a URI names belongs to another: it is as it was when the tests have ended.</summary>
public sealed class NamedBrokerTests(TestBroker broker) : BrokerTest(broker)
{
    private const string Everything = """
        Names = fun(Kind, All) -> [io_lib:format("~s ~s in ~s~n", [Kind, Name, Host]) ||
                {resource, Host, _, Name} <- lists:sort(All)] end,
        lists:flatten([
            Names("queue", rabbit_amqqueue:list_names()),
            Names("exchange", [element(2, X) || V <- rabbit_vhost:list_names(), X <- rabbit_exchange:list(V)]),
            [io_lib:format("virtual host ~s~n", [V]) || V <- lists:sort(rabbit_vhost:list_names())],
            [io_lib:format("user ~s~n", [proplists:get_value(user, U)]) ||
                U <- lists:sort(rabbit_auth_backend_internal:list_users())],
            [io_lib:format("policy ~s~n", [proplists:get_value(name, P)]) || P <- rabbit_policy:list()]
        ])
        """;

    // Those that have queues beside their queues, names that are not theirs to choose, users, and fixtures.
    private static readonly Type[] Classes = [typeof(RejectionTests), typeof(HeldDeliveryTests), typeof(EventBusTests),
        typeof(GuideTests), typeof(ExternalTests), typeof(ExchangeTests), typeof(ServingTests),
        typeof(OddMessageTests)];

    [Fact, OnlyRabbitMq("The embedded broker ends with the run: no URI names it.")]
    public async Task A_run_on_a_broker_that_is_named_fails_nowhere_and_leaves_nothing_there()
    {
        _ = Broker.RabbitMq; // neither on the embedded broker, nor on one that is named itself
        ControlledBroker named = await Broker.StartAnotherAsync();
        await using (named)
        {
            PrivateRabbitMqNode node = Assert.IsType<RabbitMqControl>(named).Node;
            string before = await node.EvaluateAsync(Everything, Cancelled);
            Assert.Contains("exchange amq.topic in /", before, StringComparison.Ordinal);
            string said = await RunAsync(node.Uri);
            Assert.Contains(" Errors: 0, Failed: 0, ", said, StringComparison.Ordinal);
            Assert.DoesNotContain("Total: 0,", said, StringComparison.Ordinal);
            Assert.Equal(before, await node.EvaluateAsync(Everything, Cancelled));
        }
    }

    private static async Task<string> RunAsync(Uri uri)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(NamedBrokerTests).Assembly.Location, "-noColor",
            .. Classes.SelectMany(one => (string[])["-class", one.FullName!])])
        {
            RedirectStandardOutput = true,
        };
        start.Environment["SAFEAMQP_TEST_URI"] = uri.ToString();
        using Process run = Process.Start(start)!;
        try
        {
            string said = await run.StandardOutput.ReadToEndAsync(Cancelled)
                .WaitAsync(TimeSpan.FromMinutes(3), Cancelled);
            await run.WaitForExitAsync(Cancelled);
            return said;
        }
        catch (Exception)
        {
            run.Kill(entireProcessTree: true);
            throw;
        }
    }
}
