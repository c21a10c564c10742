using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Channels;

/// <summary>Class exchange (AMQP 0-9-1, 40) with RabbitMQ's bindings from exchange to exchange.</summary>
internal sealed partial class Channel
{
    private void OnExchangeDeclare(ref MethodReader fields)
    {
        fields.Short();
        string name = Clean(fields.ShortString());
        string type = fields.ShortString();
        byte flags = fields.Octet();
        Dictionary<string, object?> arguments = fields.Table();
        bool passive = (flags & 1) != 0, durable = (flags & 2) != 0, autoDelete = (flags & 4) != 0,
            isInternal = (flags & 8) != 0, noWait = (flags & 16) != 0;
        Broker.History.Received(this, "exchange.declare", exchange: name);
        if (Meets(Method.ExchangeDeclare, exchange: name))
            return;
        RefuseDefault(name);
        if (passive)
        {
            _ = Host.Exchange(name);
        }
        else
        {
            if (!BindingTable.Types.Contains(type))
                throw new AmqpError(Broker.Rules.UnknownExchangeType, $"unknown exchange type '{type}'");
            Require(Permission.Configure, "exchange", name);
            if (Host.Exchanges.TryGetValue(name, out Exchange? existing))
                CheckSame(existing, type, durable, autoDelete, isInternal, arguments);
            else
                Create(name, type, durable, autoDelete, isInternal, arguments);
        }
        if (!noWait)
            Send(Writer.Start(Method.ExchangeDeclareOk));
    }

    private void Create(string name, string type, bool durable, bool autoDelete, bool isInternal,
        Dictionary<string, object?> arguments)
    {
        Equivalence.CheckIsText("alternate-exchange", $"exchange '{name}' in vhost '{Host.Name}'", arguments);
        if (FieldTable.Text(arguments.GetValueOrDefault("alternate-exchange")) is { } alternate)
        {
            Require(Permission.Read, "exchange", name);
            Require(Permission.Write, "exchange", alternate);
        }
        Host.Exchanges[name] = new Exchange(
            CheckName("exchange", name), type, durable, autoDelete, isInternal, arguments, Broker.Rules);
    }

    private void CheckSame(Exchange existing, string type, bool durable, bool autoDelete, bool isInternal,
        Dictionary<string, object?> arguments)
    {
        string what = $"exchange '{existing.Name}' in vhost '{Host.Name}'";
        Equivalence.CheckField("type", what, type, existing.Type);
        Equivalence.CheckField("durable", what, durable, existing.Durable);
        Equivalence.CheckField("auto_delete", what, autoDelete, existing.AutoDelete);
        Equivalence.CheckField("internal", what, isInternal, existing.IsInternal);
        Equivalence.CheckArgument("alternate-exchange", what, arguments, existing.Arguments);
    }

    private void OnExchangeDelete(ref MethodReader fields)
    {
        fields.Short();
        string name = Clean(fields.ShortString());
        byte flags = fields.Octet();
        Broker.History.Received(this, "exchange.delete", exchange: name);
        if (Meets(Method.ExchangeDelete, exchange: name))
            return;
        RefuseDefault(name);
        if (name.StartsWith("amq.", StringComparison.Ordinal))
            throw new AmqpError(
                ReplyCode.AccessRefused, $"deletion of system exchange '{name}' in vhost '{Host.Name}' not allowed");
        Require(Permission.Configure, "exchange", name);
        if (Host.Exchanges.TryGetValue(name, out Exchange? exchange))
        {
            if ((flags & 1) != 0 && exchange.Bindings.Count > 0)
                throw AmqpError.Precondition($"exchange '{name}' in vhost '{Host.Name}' in use");
            Host.Remove(exchange);
        }
        if ((flags & 2) == 0)
            Send(Writer.Start(Method.ExchangeDeleteOk));
    }

    private void OnExchangeBind(ref MethodReader fields, bool bind)
    {
        fields.Short();
        string destination = Clean(fields.ShortString());
        string source = Clean(fields.ShortString());
        string key = fields.ShortString();
        bool noWait = fields.Octet() != 0;
        Dictionary<string, object?> arguments = fields.Table();
        Broker.History.Received(this, bind ? "exchange.bind" : "exchange.unbind", exchange: source);
        if (Meets(bind ? Method.ExchangeBind : Method.ExchangeUnbind, exchange: source))
            return;
        RefuseDefault(destination);
        Require(Permission.Write, "exchange", destination);
        RefuseDefault(source);
        Require(Permission.Read, "exchange", source);
        if (Host.Exchanges.TryGetValue(source, out Exchange? topics))
            RequireTopic(Permission.Read, topics, key);
        // Taking away what is not there is no error (RabbitMQ).
        if (bind || Host.Exchanges.ContainsKey(source) && Host.Exchanges.ContainsKey(destination))
        {
            var binding = new Binding(Host.Exchange(source), Host.Exchange(destination), key, arguments);
            if (bind) Host.Bind(binding);
            else Host.Unbind(binding);
        }
        if (!noWait)
            Send(Writer.Start(bind ? Method.ExchangeBindOk : Method.ExchangeUnbindOk));
    }

    private static void RefuseDefault(string exchange)
    {
        if (exchange.Length == 0)
            throw new AmqpError(ReplyCode.AccessRefused, "operation not permitted on the default exchange");
    }

    private static string CheckName(string kind, string name) => name.StartsWith("amq.", StringComparison.Ordinal)
        ? throw new AmqpError(ReplyCode.AccessRefused, $"{kind} name '{name}' contains reserved prefix 'amq.*'")
        : name;

    /// <summary>RabbitMQ takes line ends out of names: they would forge its log.</summary>
    private static string Clean(string name) => name.AsSpan().IndexOfAny('\r', '\n') < 0
        ? name
        : name.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal);
}
