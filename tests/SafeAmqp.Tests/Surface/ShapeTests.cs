using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using SafeAmqp.Actor;

namespace SafeAmqp.Tests.Surface;

/// <summary>What the shape of a public type promises.</summary>
public sealed class ShapeTests
{
    [Fact]
    public void A_message_is_equal_to_itself_alone()
    {
        var message = AmqpMessage.ToQueue("orders", [1]);
        AmqpMessage same = message, copy = message with { };

        Assert.True(message == same && message.Equals(same));
        Assert.False(message == copy || message.Equals(copy));
        Assert.Equal(2, new HashSet<AmqpMessage> { message, same, copy }.Count);
    }

    [Fact]
    public void A_message_for_all_is_not_mandatory_with_a_key_or_without()
    {
        foreach (AmqpMessage message in (AmqpMessage[])[
            AmqpMessage.Broadcast("news", "eu", [1]),
            AmqpMessage.Broadcast("news", "eu", new ReadOnlyMemory<byte>([1])),
            AmqpMessage.Broadcast("news", [1]), AmqpMessage.Broadcast("news", new ReadOnlyMemory<byte>([1]))])
        {
            Assert.Equal(("news", false, 1), (message.Exchange, message.Mandatory, message.Body.Length));
            Assert.Contains(message.RoutingKey, (string[])["eu", ""]);
        }
        Assert.Equal("eu", AmqpMessage.Broadcast("news", "eu", [1]).RoutingKey);
    }

    [Fact]
    public void A_binding_names_its_exchange_and_where_it_leads_to_in_a_method_each()
    {
        var topology = new AmqpTopology().Bind("news", "eu.*").ToQueue("orders").Bind("news").ToExchange("archive");

        Assert.Equal(
            [
                new AmqpBinding { Exchange = "news", RoutingKey = "eu.*", Queue = "orders" },
                new AmqpBinding { Exchange = "news", ToExchange = "archive" },
            ],
            topology.Items.Cast<TopologyItem.Binding>().Select(item => item.Value));
    }

    // AddSafeAmqp(Action<AmqpClientOptions>) sets those of a client, and the parts of it; it is copied when a client is
    // made. All others are handed over ready.
    [Fact]
    public void Options_can_be_set_once_unless_a_delegate_sets_them()
        => Assert.Equal(
            [typeof(AmqpClientOptions), typeof(AmqpTelemetryOptions), typeof(AmqpTlsOptions)],
            typeof(AmqpClient).Assembly.GetExportedTypes()
                .Where(type => type.Name.EndsWith("Options", StringComparison.Ordinal))
                .Where(type => type.GetProperties().Any(property => property.SetMethod is { } set
                    && !set.ReturnParameter.GetRequiredCustomModifiers().Contains(
                        typeof(System.Runtime.CompilerServices.IsExternalInit))))
                .OrderBy(type => type.Name));

    // A ValueTask may be awaited once only: it is for what is called for each message.
    [Fact]
    public void Only_what_is_called_for_each_message_returns_a_ValueTask()
    {
        string[] hot = ["PublishAsync", "PublishJsonAsync", "PostAsync", "CallAsync", "CallJsonAsync", "HandleAsync",
            "DisposeAsync"];
        MethodInfo[] methods = [.. typeof(AmqpClient).Assembly.GetExportedTypes()
            .Where(type => !type.IsSubclassOf(typeof(Delegate)))
            .SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static
                | BindingFlags.DeclaredOnly))];

        Assert.Equal(hot.Order(StringComparer.Ordinal),
            methods.Where(method => IsOf(method, typeof(ValueTask), typeof(ValueTask<>)))
                .Select(method => method.Name).Distinct().Order(StringComparer.Ordinal));
        Assert.Empty(methods.Where(method => IsOf(method, typeof(Task), typeof(Task<>)))
            .Select(method => method.Name).Intersect(hot));

        static bool IsOf(MethodInfo method, Type plain, Type generic) => method.ReturnType == plain
            || (method.ReturnType.IsGenericType && method.ReturnType.GetGenericTypeDefinition() == generic);
    }

    [Fact]
    public void Every_type_has_a_name_of_the_family_and_registrations_are_where_hosts_look_for_them()
    {
        Type[] types = typeof(AmqpClient).Assembly.GetExportedTypes();
        Assert.All(types, type => Assert.Matches("^I?(Safe)?Amqp[A-Z]", type.Name));
        Assert.Equal(
            [typeof(SafeAmqpHealthChecksBuilderExtensions), typeof(SafeAmqpServiceCollectionExtensions)],
            types.Where(type => type.Namespace != nameof(SafeAmqp)).OrderBy(type => type.Name));
        Assert.Equal("Microsoft.Extensions.DependencyInjection",
            typeof(SafeAmqpServiceCollectionExtensions).Namespace);
    }
}
